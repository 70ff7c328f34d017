"""Ten samples again and again, without dropout: any network that can learn drives their loss down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

from nnlint.capture.plan import Continuation, Trajectory
from nnlint.experiments.fit import LEARNT, Fit, falls, level, noise

SAMPLES = 10.0
_STEPS, _SECONDS = 200, 10.0
# A sound network may well do no better than guessing in fewer updates.
LEAST = 40


def _ten(name: str, *values: float, steps: int = _STEPS) -> Continuation:
    return Continuation(name, "few", steps, _SECONDS, (SAMPLES, *values), ("fit",))


TEN = _ten("ten samples")
# The whole first batch instead, where the script does not take a smaller one.
WHOLE = Continuation("first batch", "few", _STEPS, _SECONDS, (0.0,), ("fit",))
# Asked for when that has failed: is it the rate, the optimizer, the beginning, or none of them?
SLOWER = _ten("ten samples, a tenth of the rate", 0.1)
FASTER = _ten("ten samples, ten times the rate", 10.0)
ADAM = _ten("ten samples, Adam", 1.0, -1.0, 0.003)
ANEW = _ten("ten samples, Adam, begun anew", 1.0, 1.0, 0.02)


class Course(Enum):
    """What a loss did."""

    LEARNT = "is learnt"
    FALLS = "still falls"
    EXPLODES = "explodes"
    RISES = "rises"
    OSCILLATES = "oscillates"
    PLATEAUS = "plateaus"


def base(trajectories: Mapping[str, Trajectory]) -> Trajectory | None:
    """The ten samples, or the whole batch where they could not be had; None if neither was."""
    for entry in (TEN, WHOLE):
        trajectory = trajectories.get(entry.name)
        if trajectory is not None and trajectory.steps:
            return trajectory
    return None


def fit_of(trajectories: Mapping[str, Trajectory], entry: Continuation) -> Fit | None:
    """What was seen in a continuation."""
    trajectory = trajectories.get(entry.name)
    return trajectory.measure(Fit) if trajectory is not None else None


def long_enough(fit: Fit | None) -> bool:
    """Whether a try shows something: it made the updates that this takes, or learnt or broke off in fewer."""
    if fit is None:
        return False
    return len(fit.losses) >= LEAST or fit.reached >= LEARNT or not math.isfinite(level(fit.losses))


def course(fit: Fit, ended: str) -> Course:
    """Names what the loss of a fit did, relative to its bounds and to its own noise."""
    losses = fit.losses
    if ended == "not finite" or not math.isfinite(losses[-1]):
        return Course.EXPLODES
    if fit.reached >= LEARNT:
        return Course.LEARNT
    worst = max(losses[0], fit.chance)
    end = level(losses)
    if end > worst + 9 * abs(fit.span):
        return Course.EXPLODES
    if falls(losses, fit.floor):
        return Course.FALLS
    if noise(losses) > 0.2 * abs(fit.span):
        return Course.OSCILLATES
    if end > worst + 0.1 * abs(fit.span):
        return Course.RISES
    return Course.PLATEAUS


def learns(fit: Fit | None, better_than: float) -> bool:
    """Whether a second try has come clearly further than a share of the way, or is on its way."""
    if fit is None or fit.unbounded or len(fit.losses) < 2:
        return False
    share = fit.reached
    return share >= LEARNT or share >= max(better_than, 0.0) + 0.3
