"""How far a loop drives the loss of its first batch, between chance and the lowest loss there can be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nnlint.capture.plan import Place

# Above this share of the way from chance to the floor the batch counts as learnt.
LEARNT = 0.9
# No difference; a loss may be multiplied by next to nothing.
_TINY = 1e-30
# Of a loss in float32, this share is not told apart from nothing.
_ROUNDING = 1e-6
# Below this share a model does no better than a constant.
CONSTANT = 0.1


@dataclass(frozen=True, slots=True)
class Fit:
    """The losses of a held batch, and what bounds them.

    `losses` are what `backward` was called on, a figure for each step, and `chance` and `floor` are on their
    scale; they hold only where `unbounded` is empty, which else says why not. `weight` is how much the loss
    functions' values count in what was differentiated, below zero if each of them enters with a minus, and
    `values` is what they were at each step, by themselves. Without loss functions, `weight` is below zero if
    the loss is minus squares and sizes that the script has written by hand, and `values` are these.
    `direction` is the smallest cosine between one of the first updates and its gradient: above zero only
    where each of them went uphill, which a momentum may do once. `optimizers` counts those that stepped.
    `spread` is how far the predictions of the samples differ in the end, as a share of their size; None if
    unknown. `rates` are the learning rates of the first group at the first and the last step, `parameters`
    how many numbers the steps may change.
    """

    criteria: tuple[str, ...]
    place: Place | None
    losses: tuple[float, ...]
    chance: float
    floor: float
    unbounded: str
    weight: float
    values: tuple[float, ...]
    direction: float
    optimizers: int
    spread: float | None
    samples: int
    rates: tuple[float, ...]
    parameters: int

    @property
    def span(self) -> float:
        """From the best constant prediction to the best prediction."""
        return self.chance - self.floor

    @property
    def worsens(self) -> bool:
        """Whether the loss functions enter with a minus, and their values rise by more than they jump."""
        if self.weight >= 0 or len(self.values) < 2:
            return False
        end = level(self.values)
        return not math.isfinite(end) or end > self.values[0] + noise(self.values)

    def share(self, loss: float) -> float:
        """How much of what a constant prediction leaves is explained: 1 at the floor, 0 at chance."""
        return (self.chance - loss) / self.span if math.isfinite(loss) else -math.inf

    @property
    def reached(self) -> float:
        """The share at the end: of the median of the last tenth of the steps."""
        return self.share(level(self.losses))


def level(losses: Sequence[float], part: float = 0.1) -> float:
    """The median of the last part of a trajectory; NaN of none."""
    if not losses:
        return math.nan
    number = max(3, round(len(losses) * part))
    return median(losses[-number:])


def noise(losses: Sequence[float]) -> float:
    """How far a loss jumps from step to step in the last half: the median of the absolute differences."""
    last = losses[len(losses) // 2 :]
    jumps = [abs(after - before) for before, after in itertools.pairwise(last)]
    return median(jumps) if jumps else 0.0


def stands_still(losses: Sequence[float]) -> bool:
    """Whether no step has moved it by more than rounding, though each saw the same samples."""
    return max(losses) - min(losses) <= _ROUNDING * abs(losses[0])


def falls(losses: Sequence[float], floor: float, part: float = 0.03) -> bool:
    """Whether the loss still goes down at the end: by so much of what is left, over the last half."""
    if len(losses) < 12:
        return True
    half = losses[len(losses) // 2 :]
    quarter = max(3, len(half) // 4)
    before, after = median(half[:quarter]), median(half[-quarter:])
    # A loss that jumps must fall by more than it jumps.
    return before - after > max(part * max(before - floor, _TINY), noise(losses) / 2)
