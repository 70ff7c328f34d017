"""What dropout and weight decay keep the model from: the loop on its first batch, with and without them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from nnlint.capture.plan import Continuation, Place, Trajectory
from nnlint.experiments.loops import FIRST, measured

SETTINGS = measured(FIRST, "regularisation")
HELD = Continuation("held", "same_batch", steps=60, seconds=6.0)
PLAIN = Continuation("plain", "plain", steps=60, seconds=6.0)

_TAIL = 10


@dataclass(frozen=True, slots=True)
class Regularisation:
    """What the script asks for: its largest dropout, by whom and where built, and its largest decay."""

    layer: str
    dropout: float
    optimizer: str
    place: Place | None
    decay: float
    # By how much the decay alone shrinks the weights at each step, and its share of the whole gradient.
    shrinks: float
    share: float


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the loss begins, and ends with and without regularisation; with the noise of the former."""

    first: float
    held: float
    plain: float
    noise: float


def ends(trajectories: dict[str, Trajectory]) -> Ends | None:
    """The figures; None where the loop could not be continued for long enough."""
    held, plain = (trajectories.get(name) for name in (HELD.name, PLAIN.name))
    if held is None or plain is None:
        return None
    one, other = ([step.loss for step in entry.steps] for entry in (held, plain))
    if min(len(one), len(other)) < 3 * _TAIL or held.ended != "steps" or plain.ended != "steps":
        return None
    if len({step.optimizer for step in held.steps}) > 1:
        return None
    tail = one[-_TAIL:]
    return Ends(other[0], fmean(tail), fmean(other[-_TAIL:]), _spread(tail))


def stands(losses: Sequence[float]) -> bool:
    """Whether a loss has hardly fallen over a trajectory.

    Much dropout scales up what it leaves, so that the loss rises at first and falls back to where it began.
    """
    third = len(losses) // 3
    return third >= _TAIL and fmean(losses[-third:]) > 0.9 * min(losses[0], fmean(losses[:third]))


def _spread(values: Sequence[float]) -> float:
    mean = fmean(values)
    return math.sqrt(fmean((value - mean) ** 2 for value in values))
