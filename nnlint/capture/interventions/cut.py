"""The script's batches hold so few samples that no other axis has that size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from nnlint.capture import batch as batches_of
from nnlint.capture import picks
from nnlint.capture.intervention import Intervention
from nnlint.capture.samples import telling_number

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner


class Cut(Intervention):
    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        self._number = 0

    def batch(self, batch: Any) -> Any:
        # A meter may be recording what the script does, and this is not the script's doing.
        with _disable_current_modes():
            samples = picks.count(batch)
            if not self._number:
                self._number = telling_number(samples, self._sizes(batch, samples))
            if samples > self._number > 0:
                return picks.pick(batch, torch.arange(self._number), samples)
        if samples != self._number:
            self.runner.end("the batch cannot be cut")
        return batch

    def _sizes(self, batch: Any, samples: int) -> set[int]:
        """Those of every other axis that is known here."""
        sizes = {size for tensor in batches_of.tensors(batch) for size in tensor.shape if size != samples}
        for optimizer in self.runner.host.watch.living_optimizers():
            for group in optimizer.param_groups:
                sizes.update(size for parameter in group["params"] for size in parameter.shape)
        return sizes
