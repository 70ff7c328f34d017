"""What is held against a target, and so evaluates."""

from __future__ import annotations

import pytest
from reading import model_of

HEAD = """
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from ignite.engine import Engine
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.1))
        self.head = nn.Linear(8, 4)

    def forward(self, x, y=None):
        codes = self.body(x)
        commitment = F.mse_loss(codes, x)
        scores = self.head(codes)
        return scores, commitment if y is None else F.cross_entropy(scores, y)

accelerator = Accelerator()
model = Net()
optimizer = torch.optim.Adam(model.parameters())

def train(loader):
    for x, y in loader:
        scores, loss = model(x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

@torch.no_grad()
def check(loader, cells):
    for x, y in loader:
"""


@pytest.mark.parametrize(
    ("body", "judges"),
    [
        ("scores, loss = model(x, y); print(loss)", True),
        ("scores, loss = model(x); print(loss)", False),
        ("print((model(x)[0] > 0) & y.bool())", True),
        ("print((model(x)[0] > 0) & (model(x)[0] < 9))", False),
        ("cells += torch.bincount(4 * y + model(x)[0].argmax(1), minlength=16)", True),
        ("cells += torch.bincount(4 + model(x)[0].argmax(1), minlength=16)", False),
        ("p, t = accelerator.gather_for_metrics((model(x)[0].argmax(1), y)); print(p == t)", True),
        ("print(model.head(model.body(x)).argmax(1) == y)", True),
        ("print(model.body(x))", False),
    ],
)
def test_a_comparison_with_the_targets(body: str, judges: bool) -> None:
    script = model_of(f"{HEAD}        {body}\n")
    assert bool(list(script.evaluations)) is judges


def test_what_an_ignite_engine_is_given_to_judge() -> None:
    step = "    scores, _ = model(batch[0])\n    return scores, batch[1]\n"
    script = model_of(f"{HEAD}        pass\n\n@torch.no_grad()\ndef step(engine, batch):\n{step}\n")
    assert not list(script.evaluations)
    script = model_of(
        f"{HEAD}        pass\n\n@torch.no_grad()\ndef step(engine, batch):\n{step}\nEngine(step).run(data)\n"
    )
    assert list(script.evaluations)


def test_a_frozen_part_is_no_model_that_trains_here() -> None:
    script = model_of(f"{HEAD}        print(model.body(x) == y)\nmodel.body.requires_grad_(False)\n")
    assert not list(script.evaluations)
