"""What a run shows of losses: the continuations that one looks at, and what guessing would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.experiments import overfit, ramp
from nnlint.experiments.baseline import WHOLE_ZEROED, ZEROED
from nnlint.experiments.first_loss import FIRST_LOSS, FirstLoss
from nnlint.experiments.fit import Fit
from nnlint.experiments.graph import FEW, WHOLE
from nnlint.experiments.health import HEALTH
from nnlint.experiments.loops import FIRST, LATER, REAL
from nnlint.experiments.modes import MODES
from nnlint.experiments.preview import PREVIEW
from nnlint.experiments.regularisation import HELD, PLAIN

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation, Trajectory
    from nnlint.capture.supervise import Capture

# Recorded, or followed to what comes later: their losses say nothing. The ramp has a figure of its own.
_SERVANTS = {entry.name for entry in (FEW, WHOLE, FIRST, LATER, MODES, ramp.RAMP)}
# Read first, and together.
_FIRST = [entry.name for entry in (REAL, overfit.TEN, ZEROED, overfit.WHOLE, WHOLE_ZEROED, HELD, PLAIN)]
_WORDS = {HELD.name: "first batch, regularised", PLAIN.name: "first batch, regularisation off"}
# What figures are made of, by the experiment that else asks for it.
_FIGURES = {
    "health": HEALTH,
    "overfit": overfit.TEN,
    "baseline": ZEROED,
    "first_loss": FIRST_LOSS,
    "ramp": ramp.RAMP,
}
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Course:
    """The losses of one continuation, a figure for each update."""

    name: str
    losses: tuple[float, ...]
    ended: str


def wanted(only: Sequence[str], skip: Sequence[str]) -> tuple[Continuation, ...]:
    """What is to be run to be looked at, of the experiments that `--only` and `--skip` leave."""
    only, skip = ([name.replace("-", "_") for name in names] for names in (only, skip))
    return (
        PREVIEW,
        *(entry for name, entry in _FIGURES.items() if name not in skip and (not only or name in only)),
    )


def courses(seen: Capture) -> list[Course]:
    """Those that train, the script's own loop first."""
    found = [
        entry for entry in seen.trajectories.values() if len(entry.steps) > 2 and entry.name not in _SERVANTS
    ]
    found.sort(key=lambda entry: _FIRST.index(entry.name) if entry.name in _FIRST else len(_FIRST))
    return [_course(entry) for entry in found]


def _course(entry: Trajectory) -> Course:
    name = _WORDS.get(entry.name, entry.name)[:_LONGEST_NAME]
    return Course(name, tuple(step.loss for step in entry.steps), entry.ended)


def chance(seen: Capture) -> float | None:
    """What the loss of the first batch would be of a network that knows nothing; None if nobody can tell.

    That is what its terms add up to where each that compares a prediction with data is what guessing gives.
    """
    trajectory = seen.trajectories.get(FIRST_LOSS.name)
    first = trajectory.measure(FirstLoss) if trajectory is not None else None
    if first is None or first.leaf or not math.isfinite(first.loss):
        return None
    data = [term for term in first.terms if term.data]
    total = sum(term.value for term in first.terms)
    if not data or any(term.guess <= 0 for term in data) or not math.isclose(total, first.loss, rel_tol=0.01):
        return None
    return sum(term.guess if term.data else term.value for term in first.terms)


def chance_of_few(seen: Capture) -> float | None:
    """The best that a constant prediction does on the ten samples; None if nobody can tell."""
    fit = overfit.fit_of(seen.trajectories, overfit.TEN)
    return fit.chance if isinstance(fit, Fit) and not fit.unbounded and math.isfinite(fit.chance) else None


def logarithmic(values: Sequence[float]) -> bool:
    """Whether losses differ so much that only their logarithms can be read from one axis."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) > 50 * min(finite)


def suggested(seen: Capture) -> tuple[ramp.Ramp, ramp.Range] | None:
    """The range test and what it shows; None where it was not made, or shows nothing.

    A script that ended while the loss still fell has not shown how large a rate may be.
    """
    trajectory = seen.trajectories.get(ramp.RAMP.name)
    measured = trajectory.measure(ramp.Ramp) if trajectory is not None else None
    found = ramp.read(measured) if measured is not None else None
    if measured is None or found is None:
        return None
    lowest = min(range(len(found.smoothed)), key=found.smoothed.__getitem__)
    ended_early = len(measured.rates) < ramp.STEPS and lowest >= len(found.smoothed) - 3
    return None if found.diverges is None and ended_early else (measured, found)
