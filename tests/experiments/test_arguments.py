"""Whether a model makes something of each argument: on small models, which the meter has seen called."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from nnlint.capture.meters.arguments import ArgumentsMeter
from nnlint.capture.plan import FirstStep, Measurement, Trajectory, from_json, to_json
from nnlint.capture.supervise import Capture
from nnlint.experiments.arguments import ARGUMENTS, Arguments
from nnlint.rule import Sighting
from nnlint.rules.unused_parameters import UnusedParameters

X, T, IDS = torch.randn(8, 3), torch.rand(8, 1), torch.arange(8)


@pytest.fixture(autouse=True)
def _random_state() -> Iterator[None]:
    state, python = torch.get_rng_state(), random.getstate()
    yield
    torch.set_rng_state(state)
    random.setstate(python)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.drop = nn.Dropout(0.5)
        self.table = nn.Embedding(8, 4)
        self.gate = nn.Parameter(torch.zeros(1))


class Deaf(Net):
    def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
        return self.drop(self.layer(x)) + 0 * t


class Hears(Net):
    def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
        return self.drop(self.layer(x)) * t


class Looks(Net):
    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> Any:
        return self.layer(x) + self.table(ids)


class Counts(Net):
    """Only how many are larger than one half counts, and not in which order."""

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
        return self.layer(x).mean() - (t > t.mean()).float().mean()


class Forces(Net):
    """Whether the second argument is used at all is left to chance."""

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
        return self.layer(x) + t if random.random() < 0.5 else self.layer(x)


class Noisy(Net):
    """It cannot be called twice with one result."""

    calls = 0

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
        self.calls += 1
        return self.layer(x) + self.calls + 0 * t


def _found(net: nn.Module, *args: Any, steps: int = 30, **kwargs: Any) -> Arguments:
    runner: Any = SimpleNamespace(steps=[None] * steps)
    meter = ArgumentsMeter(runner)
    meter.calling(net, args, kwargs)
    return from_json(Arguments, to_json(meter.result()))


def _said(found: Arguments) -> list[str]:
    measured = (Measurement("arguments", to_json(found)),)
    trajectory = Trajectory("real", "none", (), "", 1.0, measured)
    seen = Capture(
        FirstStep("loader", None, None, "", (), (), (), (), 0.1), trajectories={ARGUMENTS.name: trajectory}
    )
    return [said.message for said in UnusedParameters().check_runs(seen) if isinstance(said, Sighting)]


def test_an_argument_without_effect_is_named_with_one_that_has_it() -> None:
    for found in (_found(Deaf(), X, T), _found(Deaf(), X, t=T)):
        (message,) = _said(found)
        assert "what `Deaf` returns is the same whatever its argument `t` [8, 1] holds" in message
        assert "depends on `x`" in message
    # The forward may begin with closed gates.
    assert _said(_found(Deaf(), X, T, steps=5)) == []


@pytest.mark.parametrize(
    ("net", "args"),
    [
        (Hears(), (X, T)),
        (Looks(), (X, IDS)),
        (Counts(), (X, T)),
        (Forces(), (X, T)),
        (Noisy(), (X, T)),
        # What is the same for all samples tells nothing.
        (Deaf(), (X, torch.ones(8, 1))),
        (Deaf(), (X[:1], T[:1])),
    ],
    ids=["used", "looked up", "counted", "by chance", "not repeatable", "constant", "one sample"],
)
def test_what_counts_or_may_count_is_not_reported(net: nn.Module, args: tuple[Any, ...]) -> None:
    assert _found(net, *args).ignored == ()
