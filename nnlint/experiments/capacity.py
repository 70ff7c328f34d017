"""Models of several capacities, each trained on the whole training set: which is the smallest to overfit it?

The meaning of "overfit" and the rule by which larger models are given up are NetDebugger's
(`choose_model_size_by_overfit`): a coefficient of determination of 0.97 over an epoch, and three capacities
of which the larger two are no better than the smallest by 0.01.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnlint.capture.plan import Place

NAME = "training set"
OVERFIT = 0.97
DELTA, PATIENCE = 0.01, 3
# A capacity has had its chance when the later half of so many epochs and updates has brought no more than
# DELTA.
EPOCHS, UPDATES = 30, 1000


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of the training set was learnt, epoch by epoch.

    An entry of `shares` is how far an epoch's mean loss came from that of the best constant prediction to
    the lowest that the targets allow: for squared errors the coefficient of determination, for classes
    McFadden's.
    They mean nothing where `unbounded` says why there are no such bounds.
    """

    shares: tuple[float, ...]
    updates: int
    samples: int
    unbounded: str
    place: Place | None

    @property
    def best(self) -> float:
        """The best epoch's share; no better than a constant if no epoch was completed."""
        return max(self.shares, default=0.0)

    @property
    def settled(self) -> bool:
        """Whether more epochs would bring no more."""
        half = len(self.shares) // 2
        if len(self.shares) < EPOCHS or self.updates < UPDATES:
            return False
        return max(self.shares[half:]) < max(self.shares[:half]) + DELTA


@dataclass(frozen=True, slots=True)
class Tried:
    """One capacity: the parameters that it makes, and what was learnt; `why` says why nothing was."""

    value: str
    parameters: int = 0
    memory: Memory | None = None
    why: str = ""

    @property
    def overfits(self) -> bool:
        """Whether the training set was learnt by heart."""
        return self.memory is not None and self.memory.best >= OVERFIT

    @property
    def rises(self) -> bool:
        """Whether the time was over before it could be told that it does not overfit."""
        return self.memory is not None and not self.overfits and not self.memory.settled


@dataclass(frozen=True, slots=True)
class Search:
    """What came of the capacities in order; those after the one that settled it were not tried.

    `place` is where the script says what is varied: the constant, or the option.
    """

    name: str
    place: Place | None
    tried: tuple[Tried, ...]

    @property
    def smallest(self) -> Tried | None:
        """The smallest capacity that overfits; None if none does."""
        return next((entry for entry in self.tried if entry.overfits), None)

    @property
    def enough(self) -> Tried | None:
        """The capacity from which on more has brought nothing; None if more might."""
        return given_up(self.tried)


def given_up(tried: Sequence[Tried]) -> Tried | None:
    """NetDebugger's patience: of the last three the larger two are no better, and all had their chance."""
    last = [entry for entry in tried if entry.memory is not None][-PATIENCE:]
    if len(last) < PATIENCE or any(entry.rises or entry.overfits for entry in last):
        return None
    best = [entry.memory.best for entry in last if entry.memory is not None]
    return last[0] if max(best[1:]) - best[0] < DELTA else None
