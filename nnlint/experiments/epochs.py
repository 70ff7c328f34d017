"""What a DistributedSampler was told of the epochs."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import SHORT, measured

EPOCHS = measured(SHORT, "epochs")


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass of training over a loader whose DistributedSampler shuffles: the epoch that it was told."""

    loader: Place | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Epochs:
    """All such passes, in order."""

    passes: tuple[Pass, ...]
