"""The learning-rate range test: reading a curve, and the curve of a script."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from nnlint.capture.plan import Measurement, Request, Trajectory, to_json
from nnlint.capture.supervise import Capture, capture
from nnlint.experiments.first_loss import FIRST_LOSS, FirstLoss
from nnlint.experiments.ramp import HIGH, LOW, RAMP, STEPS, Ramp, read, smooth
from nnlint.rule import Sighting, Skip
from nnlint.rules.loss_not_chance_at_init import LossNotChanceAtInit
from nnlint.rules.suspicious_learning_rate import SuspiciousLearningRate

RATES = tuple(1e-3 * LOW * (HIGH / LOW) ** (at / (STEPS - 1)) for at in range(STEPS))

SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(2000, 10)
y = (x[:, :3].sum(1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
net = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 2))
opt = torch.optim.SGD(net.parameters(), lr={rate}, momentum=0.9)
schedule = torch.optim.lr_scheduler.StepLR(opt, 10, 0.5)
for epoch in range(5):
    for inputs, targets in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(inputs), targets).backward()
        opt.step()
        schedule.step()
"""


def _curve(falls: float, rises: float, noise: float = 0.0) -> Ramp:
    losses = []
    for at, rate in enumerate(RATES):
        loss = 2.0 - 1.5 / (1 + (falls / rate) ** 2) + 10 / (1 + (rises / rate) ** 4)
        losses.append(loss + noise * (-1) ** at)
    return Ramp("SGD", None, 1e-3, RATES, tuple(losses))


def test_the_steepest_and_the_diverging_rate_are_those_of_the_curve() -> None:
    found = read(_curve(1e-3, 1.0))
    assert found is not None
    assert 2e-4 < found.steepest < 5e-3
    assert found.diverges is not None
    assert 0.3 < found.diverges < 5
    assert found.suggestion <= found.steepest


def test_a_loss_that_does_not_fall_clearly_shows_nothing() -> None:
    assert read(_curve(1e9, 1e9)) is None
    assert read(_curve(1e9, 1e-2, noise=0.2)) is None


def test_a_loss_that_becomes_nan_has_diverged_there() -> None:
    ramp = _curve(1e-3, 1e9)
    found = read(Ramp("SGD", None, 1e-3, RATES, (*ramp.losses[:80], *(math.nan,) * (STEPS - 80))))
    assert found is not None
    assert found.diverges == RATES[80]


def test_smoothing_has_no_bias_at_the_start() -> None:
    assert smooth([3.0] * 5) == pytest.approx([3.0] * 5)


@pytest.mark.parametrize(
    ("rate", "says"), [(1e-5, "more than 1000 times"), (0.05, ""), (50.0, "diverges from a rate")]
)
def test_the_rate_of_a_script(rate: float, says: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(rate=rate))
    seen = capture(Request(str(script), seconds=200), (RAMP,))
    assert seen.not_run == [], seen.output
    found = [entry for entry in SuspiciousLearningRate().check_runs(seen) if isinstance(entry, Sighting)]
    assert [says in sighting.message for sighting in found] == [True] * bool(says)
    ramp = seen.trajectories["ramp"].measure(Ramp)
    assert ramp is not None
    # The script's schedule has no say.
    growth = [after / before for before, after in zip(ramp.rates, ramp.rates[1:], strict=False)]
    assert growth == pytest.approx([growth[0]] * len(growth))
    if found:
        assert found[0].place is not None
        assert "SGD" in script.read_text().splitlines()[found[0].place.row - 1]


def test_a_range_test_that_shows_nothing_says_so() -> None:
    flat = Ramp("SGD", None, 0.1, tuple(0.001 * 1.1**at for at in range(60)), (1.0,) * 60)
    entry = Trajectory(RAMP.name, "ramp", (), "steps", 1.0, (Measurement("ramp", to_json(flat)),))
    (skip,) = SuspiciousLearningRate().check_runs(Capture(trajectories={RAMP.name: entry}))
    assert isinstance(skip, Skip)
    assert "never falls clearly" in skip.why
    assert not list(SuspiciousLearningRate().check_runs(Capture()))


def test_a_loss_of_no_known_guess_is_skipped_with_the_reason() -> None:
    first = FirstLoss(1.0, False, None, (), ())
    measured = (Measurement("first_loss", to_json(first)),)
    entry = Trajectory(FIRST_LOSS.name, "none", (), "steps", 1.0, measured)
    (skip,) = LossNotChanceAtInit().check_runs(Capture(trajectories={FIRST_LOSS.name: entry}))
    assert isinstance(skip, Skip)
    assert "what guessing gives" in skip.why
