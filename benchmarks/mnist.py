"""What all default experiments cost on the MNIST example of pytorch/examples, continuation by continuation.

    python benchmarks/mnist.py

Network, loop and evaluation are the example's, written anew; the digits are generated and are there to be
learnt. Printed for each continuation: steps, seconds by the clock and of the processor; in the end what
`nnlint run` takes in all, and what the script alone takes to its first training step. Results go to
benchmarks/results/mnist.json.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from measure import keep, machine, sized

from nnlint.capture.plan import Request
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine

SCRIPT = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __init__(self, number, seed):
        shapes = torch.randn(10, 7, 7, generator=torch.Generator().manual_seed(0)) > 0.4
        drawn = torch.Generator().manual_seed(seed)
        self.targets = torch.randint(0, 10, (number,), generator=drawn)
        small = shapes[self.targets].float() + 0.3 * torch.randn(number, 7, 7, generator=drawn)
        self.data = (small.clamp(0, 1) * 255).to(torch.uint8)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        image = self.data[index].float().div(255).repeat_interleave(4, 0).repeat_interleave(4, 1)
        return (image[None] - 0.1307) / 0.3081, int(self.targets[index])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def train(model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if "--first" in sys.argv:
            sys.exit()
        if batch_idx % 10 == 0:
            print(epoch, batch_idx, loss.item())


def test(model, device, test_loader):
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            correct += output.argmax(dim=1).eq(target).sum().item()
    print(test_loss / len(test_loader.dataset), correct)


def main():
    torch.manual_seed(1)
    device = torch.device("cpu")
    train_loader = DataLoader(Digits(60000, 1), batch_size=64, shuffle=True)
    test_loader = DataLoader(Digits(10000, 2), batch_size=1000)
    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 15):
        train(model, device, train_loader, optimizer, epoch)
        test(model, device, test_loader)
        scheduler.step()


if __name__ == "__main__":
    main()
"""


def _worked() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@click.command()
@click.option("--budget", default=300.0, show_default=True)
@sized
def main(budget: float, quick: bool, output: Path | None) -> None:
    """Print the figures and write them."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "mnist.py"
        script.write_text(SCRIPT, encoding="utf-8")
        started, before = time.perf_counter(), _worked()
        subprocess.run([sys.executable, str(script), "--first"], capture_output=True, check=True)
        alone = {"seconds": time.perf_counter() - started, "processor": _worked() - before}
        started, before = time.perf_counter(), _worked()
        report, seen = examine(Linter.load(Config()), Request(str(script), seconds=budget))
        ours = {"seconds": time.perf_counter() - started, "processor": _worked() - before}
    parts = {
        name: {
            "steps": len(found.steps),
            "ended": found.ended,
            "seconds": round(found.seconds, 2),
            "processor": round(found.worked, 2),
        }
        for name, found in seen.trajectories.items()
    }
    for name, part in parts.items():
        times = f"{part['seconds']:6.1f} s {part['processor']:6.1f} s of a processor"
        click.echo(f"{name:36} {part['steps']:4} steps {times}  {part['ended']}")
    for finding in report.findings:
        click.echo(f"{finding.name}: {finding.message}")
    for entry in (*report.skipped, *report.not_run):
        click.echo(f"{entry.what}: {entry.why}")
    for what, figures in (("script alone, to its first step", alone), ("nnlint run", ours)):
        click.echo(f"{what:36} {figures['seconds']:17.1f} s {figures['processor']:6.1f} s of processors")
    click.echo(f"beyond the script's own set-up: {ours['seconds'] - alone['seconds']:.1f} s")
    content = {"machine": machine(), "alone": alone, "nnlint run": ours, "continuations": parts}
    keep("mnist", content, quick, output)


if __name__ == "__main__":
    main()
