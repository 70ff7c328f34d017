"""A script without a loader that updates by hand: one iteration is recorded, with its N."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.capture.plan import Request
from nnlint.capture.supervise import capture
from nnlint.experiments.graph import WHOLE, step_of

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 5)
y = x.sum(1)
net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
for _ in range(200):
    loss = ((net(x) - y) ** 2).mean()
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= 0.01 * p.grad
"""


@pytest.mark.slow
def test_one_iteration_is_recorded_and_its_bug_is_seen(tmp_path: Path) -> None:
    script = tmp_path / "by_hand.py"
    script.write_text(SCRIPT)
    step = step_of(capture(Request(str(script), seconds=120.0), (WHOLE,)))
    assert step is not None
    assert (len(step.losses), step.graph.batch) == (1, 64)
    assert [step.called(ref) for ref in step.meetings[0].sides if ref is not None][1] == "`y`"
