"""The learning-rate range test: the script's own loop while its rate grows from step to step.

After Leslie Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnlint.capture.plan import Continuation, Place

# From a ten-thousandth of the script's own rate to ten thousand times it.
LOW, HIGH, STEPS = 1e-4, 1e4, 96
RAMP = Continuation("ramp", "ramp", steps=STEPS, seconds=8.0, values=(LOW, HIGH, STEPS), meters=("ramp",))
# The loss is smoothed over about so many steps.
_SPAN = 5
# The loss has diverged where it has risen by so many times of what it had fallen.
_RISE = 3.0
# A fall must be so many times the noise.
_CLEAR = 4.0


@dataclass(frozen=True, slots=True)
class Ramp:
    """The loss at each step, and the rate of the step that followed it. `own` is the script's rate."""

    optimizer: str
    place: Place | None
    own: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """What the curve shows: where the loss falls fastest, and from which rate on it rises (None: nowhere)."""

    steepest: float
    diverges: float | None
    # The steepest one, and never more than a tenth of the one at the lowest loss.
    suggestion: float
    smoothed: tuple[float, ...]


def smooth(losses: Sequence[float]) -> tuple[float, ...]:
    """The running mean with weights that halve about every three steps, without a bias at the start."""
    keep, total, weight, found = 1 - 1 / _SPAN, 0.0, 0.0, []
    for loss in losses:
        total, weight = keep * total + loss, keep * weight + 1
        found.append(total / weight)
    return tuple(found)


def read(ramp: Ramp) -> Range | None:
    """The range; None where the loss never falls clearly, so that the curve shows nothing."""
    finite = next((at for at, loss in enumerate(ramp.losses) if not math.isfinite(loss)), len(ramp.losses))
    if finite < 2 * _SPAN:
        return None
    curve = smooth(ramp.losses[:finite])
    # The smallest rates change nothing: they show the level, and the noise about it.
    start = sum(curve[_SPAN : 3 * _SPAN]) / len(curve[_SPAN : 3 * _SPAN])
    early = ramp.losses[: 3 * _SPAN]
    mean = sum(early) / len(early)
    noise = (sum((loss - mean) ** 2 for loss in early) / len(early)) ** 0.5 / _SPAN**0.5
    lowest = min(range(finite), key=curve.__getitem__)
    fall = start - curve[lowest]
    if fall <= _CLEAR * noise or fall <= 0:
        return None
    diverges = next(
        (ramp.rates[at] for at in range(lowest, finite) if curve[at] > curve[lowest] + _RISE * fall),
        ramp.rates[finite] if finite < len(ramp.rates) else None,
    )
    slopes = {at: curve[at - 1] - curve[at] for at in range(1, lowest + 1)}
    steepest = ramp.rates[max(slopes, key=slopes.__getitem__)] if slopes else ramp.rates[lowest]
    return Range(steepest, diverges, min(steepest, ramp.rates[lowest] / 10), curve)
