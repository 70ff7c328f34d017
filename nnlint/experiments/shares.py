"""Evaluations in which each of several processes sees a share of the data."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import SHORT, measured

SHARES = measured(SHORT, "shares")


@dataclass(frozen=True, slots=True)
class Share:
    """A pass over a loader with a DistributedSampler, in which outputs met targets without gradients.

    `loader` is where it was built, and `called` where the model was called. `together` says whether the
    processes exchanged anything, beside what a wrapper does in its forward, before training went on.
    """

    loader: Place | None
    called: Place | None
    together: bool


@dataclass(frozen=True, slots=True)
class Shares:
    """All such passes after which training went on, in order."""

    passes: tuple[Share, ...]
