"""What `nnlint run` costs beside plain Python: to the first training step, and for each step after it.

    python benchmarks/run.py               a small convolutional network on generated 28x28 images
    python benchmarks/run.py --rounds 5    more rounds

Both sides run the same script; rounds alternate. Wall seconds, since `nnlint run` waits for its children.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from measure import Spread, keep, machine, sized
from peers import TRAINCHECK, PeerError, traincheck
from shares import Shares

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import capture

STEPS = 60
# Continuations whose memory is looked at.
BESIDE = 2
# Steps under TrainCheck: each takes so long that few must do.
FEW = 5

# The network and the loop of the MNIST example in pytorch/examples, written anew; the images are noise.
SCRIPT = """
import os, sys, time
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.drop1, self.drop2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = F.relu(self.fc1(self.drop1(x).flatten(1)))
        return self.fc2(self.drop2(x))

torch.manual_seed(1)
if "--one-thread" in sys.argv:
    torch.set_num_threads(1)
data = TensorDataset(torch.randn(4096, 1, 28, 28), torch.randint(0, 10, (4096,)))
net = Net()
optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
steps = int(sys.argv[1])
done, started = 0, 0.0
for epoch in range(1000):
    for x, y in DataLoader(data, 64, shuffle=True):
        started = started or time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        done += 1
        if done == steps:
            print((time.perf_counter() - started) / steps, flush=True)
            os._exit(0)
"""


def plain(script: Path, steps: int, *options: str) -> tuple[float, float]:
    """Wall seconds of the whole process, and seconds a step as the script itself measures them."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), str(steps), *options], capture_output=True, text=True, check=True
    )
    return time.perf_counter() - started, float(done.stdout)


def collected(folder: Path) -> float:
    """Seconds a step while TrainCheck collects its trace; PeerError if it does not run here."""
    modules = traincheck()
    # Where it starts the script, only this folder's modules are found.
    place = folder / "traincheck"
    place.mkdir()
    for entry in modules.iterdir():
        (place / entry.name).symlink_to(entry)
    script = place / "collected.py"
    script.write_text(
        SCRIPT.replace("int(sys.argv[1])", str(FEW)).replace('"--one-thread" in sys.argv', "True")
    )
    command = [sys.executable, "-m", "traincheck.collect_trace", "--pyscript", str(script)]
    command += ["--models-to-track", "net", "--output-dir", str(folder / "trace")]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(place)}, capture_output=True, text=True
    )
    printed = re.findall(r"^\d+\.\d+$", (folder / "trace" / "program_output.txt").read_text(), re.MULTILINE)
    if done.returncode or len(printed) != 1:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise PeerError(f"TrainCheck does not run: {said[-1][:160]}")
    return float(printed[0])


@click.command()
@click.option("--rounds", default=3, show_default=True)
@sized
def main(rounds: int, quick: bool, output: Path | None) -> None:
    """Print the ratios and write them down."""
    rounds = 1 if quick else rounds
    first: list[tuple[float, float]] = []
    step: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(SCRIPT)
        for _ in range(rounds):
            seen = capture(Request(str(script), ("1000000",), seconds=300))
            if seen.first_step is None:
                raise click.ClickException(seen.not_run[0].why)
            first.append((plain(script, 1)[0], seen.seconds))
            wanted = [Continuation("plain", "none", STEPS, 200.0)]
            seen = capture(Request(str(script), ("1000000",), seconds=300), wanted)
            trajectory = seen.trajectories["plain"]
            step.append((plain(script, STEPS, "--one-thread")[1], trajectory.seconds / len(trajectory.steps)))
        with Shares() as alone:
            plain(script, STEPS)
        with Shares() as together:
            beside = [Continuation(f"part {number}", "none", STEPS, 200.0) for number in range(BESIDE)]
            capture(Request(str(script), ("1000000",), seconds=300), beside, workers=BESIDE)
        try:
            theirs, plainly = collected(Path(folder)), plain(script, FEW, "--one-thread")[1]
            peer: dict[str, object] = {"step": theirs, "python": plainly}
            click.echo(f"one step under {TRAINCHECK}: {theirs:.3f} s, python {plainly:.3f} s")
        except (PeerError, OSError) as error:
            peer = {"skipped": str(error)}
            click.echo(f"skipped: {error}")
    figures: dict[str, object] = {
        "memory": {"python": alone.to_dict(), "nnlint run": together.to_dict()},
        TRAINCHECK: peer,
    }
    base, own = alone.to_dict(), together.to_dict()
    click.echo(
        f"memory: python {base['pss_mb']:.0f} MB; the script and {BESIDE} continuations of it "
        f"({own['processes']} processes) {own['pss_mb']:.0f} MB, {own['rss_mb']:.0f} if nothing were shared"
    )
    for name, pairs in (("to the first training step", first), ("one step", step)):
        python, ours = Spread.of([pair[0] for pair in pairs]), Spread.of([pair[1] for pair in pairs])
        ratio = Spread.of([pair[1] / pair[0] for pair in pairs])
        figures[name] = {"python": python.to_dict(), "nnlint run": ours.to_dict(), "ratio": ratio.to_dict()}
        click.echo(f"{name}: python {python.show(3)} s, nnlint run {ours.show(3)} s, ratio {ratio.show()}")
    keep("run", {"machine": machine(), "figures": figures}, quick, output)


if __name__ == "__main__":
    main()
