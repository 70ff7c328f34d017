"""The held batch with its input set to zero, beside the same batch as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nnlint.capture.plan import Trajectory
from nnlint.experiments.fit import CONSTANT, Fit, falls, level, noise
from nnlint.experiments.overfit import ADAM, ANEW, TEN, WHOLE, fit_of

_ZERO = (1.0, -1.0, 0.0, 1.0)
ZEROED = replace(TEN, name="ten samples, zeroed", steps=60, values=(*TEN.values, *_ZERO))
WHOLE_ZEROED = replace(WHOLE, name="first batch, zeroed", steps=60, values=(*WHOLE.values, *_ZERO))
# Two beginnings with an optimizer that hardly depends on the scale of anything, where one is not enough.
ADAM_ZEROED = replace(ADAM, name=f"{ADAM.name}, zeroed", values=(*ADAM.values, 1.0))
ANEW_ZEROED = replace(ANEW, name=f"{ANEW.name}, zeroed", values=(*ANEW.values, 1.0))
PAIRS = ((TEN, ZEROED), (WHOLE, WHOLE_ZEROED), (ADAM, ADAM_ZEROED), (ANEW, ANEW_ZEROED))


def gain(real: Fit, zeroed: Fit) -> float:
    """How much lower the loss ends with the inputs than without, as a share of what there is to gain.

    What there is to gain is, without known bounds, what the zeroed loss is above zero. The noise of both
    trajectories is taken off.
    """
    # After the same number of steps: where both still fall, the longer one ends lower.
    steps = min(len(real.losses), len(zeroed.losses))
    difference = level(zeroed.losses[:steps]) - level(real.losses[:steps])
    scale = abs(real.span) if not real.unbounded else abs(level(zeroed.losses))
    jitter = 2 * max(noise(real.losses), noise(zeroed.losses))
    return (difference - jitter) / max(scale, 1e-30)


def pairs(trajectories: Mapping[str, Trajectory]) -> list[tuple[Fit, Fit]]:
    """What there is of both, the script's own loop first."""
    found = [(fit_of(trajectories, real), fit_of(trajectories, zeroed)) for real, zeroed in PAIRS]
    return [(real, zeroed) for real, zeroed in found if real is not None and zeroed is not None]


def below_chance(real: Fit) -> bool:
    """Whether the loss came where no prediction that is the same for all samples comes."""
    return not real.unbounded and real.weight > 0 and real.reached > CONSTANT


def depends(real: Fit, zeroed: Fit) -> bool:
    """Whether the loss shows that the input is used."""
    return below_chance(real) or gain(real, zeroed) > CONSTANT


def settled(real: Fit) -> bool:
    """Whether a loss has come to what a constant prediction gives, and stays there."""
    return abs(level(real.losses) - real.chance) < CONSTANT * abs(real.span) and not falls(
        real.losses, real.floor
    )
