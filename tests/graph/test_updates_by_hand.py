"""A script without a loader that updates by hand: one iteration is recorded, with its N."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import capture
from nnlint.experiments.graph import WHOLE, step_of

SCRIPT = """
import torch
from torch import nn
from torch.autograd import grad

torch.manual_seed(0)
x = torch.randn(64, 5)
y = x.sum(1)
net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
OPTIMIZER
for _ in range(200):
    loss = ((net(x) - y) ** 2).mean()
UPDATE
"""
UPDATES = {
    "backward": """
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= 0.01 * p.grad
""",
    "autograd.grad": """
    gradients = grad(loss, list(net.parameters()))
    with torch.no_grad():
        for p, gradient in zip(net.parameters(), gradients):
            p -= 0.01 * gradient
""",
    "autograd.grad, for an optimizer": """
    for p, p.grad in zip(net.parameters(), grad(loss, list(net.parameters()))):
        pass
    optimizer.step()
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("update", UPDATES)
def test_one_iteration_is_recorded_and_its_bug_is_seen(update: str, tmp_path: Path) -> None:
    built = "optimizer = torch.optim.SGD(net.parameters(), 0.01)" if "optimizer" in update else ""
    script = tmp_path / "by_hand.py"
    script.write_text(SCRIPT.replace("UPDATE", UPDATES[update]).replace("OPTIMIZER", built))
    seen = capture(Request(str(script), seconds=120.0), (WHOLE, Continuation("real", "none", 4, 20)))
    assert seen.first_step is not None, (seen.not_run, seen.output)
    assert [loss.place and loss.place.row for loss in seen.first_step.losses] == [
        next(
            row
            for row, line in enumerate(script.read_text().splitlines(), 1)
            if "(loss" in line or "loss." in line
        )
    ]
    assert seen.trajectories["real"].steps[0].loss == seen.first_step.losses[0].value
    assert len(seen.trajectories["real"].steps) == 4
    step = step_of(seen)
    assert step is not None
    assert (len(step.losses), step.graph.batch) == (1, 64)
    # Nothing of the update, and nothing of ours.
    after = [step.operator(index) for index in range(step.losses[0].ref.node + 1, len(step.nodes))]
    assert set(after) <= {"ones_like"}
    assert [step.called(ref) for ref in step.meetings[0].sides if ref is not None][1] == "`y`"
