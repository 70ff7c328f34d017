"""Notes the epoch that a DistributedSampler knows of in each pass of training."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from torch.utils.data.distributed import DistributedSampler

from nnlint.capture.meter import Meter
from nnlint.experiments.epochs import Epochs, Pass

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# So many passes show whether the epoch moves on.
_PASSES = 3


class EpochsMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._given: Batches | None = None
        self._known: weakref.WeakSet[Batches] = weakref.WeakSet()
        self._passes: list[Pass] = []

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if batches is None or not _shuffles(batches.loader.sampler):
            self.runner.enough(self, "no sampler that divides the data")

    def given(self, batches: Batches, batch: Any) -> None:
        self._given = batches

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        batches = self._given
        if batches is None or batches in self._known:
            return
        sampler: Any = batches.loader.sampler
        if not _shuffles(sampler):
            return
        self._known.add(batches)
        self._passes.append(Pass(self.runner.host.watch.built.get(batches.loader), sampler.epoch))
        if len(self._passes) >= _PASSES:
            self.runner.enough(self, "three passes over the data")

    def result(self) -> Epochs:
        return Epochs(tuple(self._passes))


def _shuffles(sampler: Any) -> bool:
    return isinstance(sampler, DistributedSampler) and bool(sampler.shuffle)
