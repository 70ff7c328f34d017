"""What `nnlint run` costs beside plain Python: to the first training step, and for each step after it.

    python benchmarks/run.py               a small convolutional network on generated 28x28 images
    python benchmarks/run.py --rounds 5    more rounds

Both sides run the same script; rounds alternate. Wall seconds, since `nnlint run` waits for its children.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from measure import Spread, machine

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import capture

RESULTS = Path(__file__).parent / "results" / "run.json"
STEPS = 60

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


@click.command()
@click.option("--rounds", default=3, show_default=True)
def main(rounds: int) -> None:
    """Print both ratios and write them to results/run.json."""
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
    figures = {}
    for name, pairs in (("to the first training step", first), ("one step", step)):
        base, own = Spread.of([pair[0] for pair in pairs]), Spread.of([pair[1] for pair in pairs])
        ratio = Spread.of([pair[1] / pair[0] for pair in pairs])
        figures[name] = {"python": base.to_dict(), "nnlint run": own.to_dict(), "ratio": ratio.to_dict()}
        click.echo(f"{name}: python {base.show(3)} s, nnlint run {own.show(3)} s, ratio {ratio.show()}")
    RESULTS.parent.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), "cores": os.cpu_count(), "figures": figures}, indent=2)
    RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
