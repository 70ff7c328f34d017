"""The script's batches hold so few samples that no other axis has that size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import _disable_current_modes

from nnlint.capture import batch as batches_of
from nnlint.capture import samples
from nnlint.capture.intervention import Intervention

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner


class Cut(Intervention):
    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        self._size = 0

    def batch(self, batch: Any) -> Any:
        # A meter may be recording what the script does, and this is not the script's doing.
        with _disable_current_modes():
            return self._cut(batch)

    def _cut(self, batch: Any) -> Any:
        held = samples.count(None, batch)
        if not self._size:
            self._size = samples.telling_size(held, self._sizes(batch, held))
        fewer = samples.cut(batch, held, self._size) if 0 < self._size < held else None
        if fewer is None and held != self._size:
            self.runner.end("the batch cannot be cut")
        return batch if fewer is None else fewer

    def _sizes(self, batch: Any, held: int) -> set[int]:
        """Those of every other axis that is known here."""
        sizes = {size for tensor in batches_of.tensors(batch) for size in tensor.shape if size != held}
        for optimizer in self.runner.host.watch.living_optimizers():
            for group in optimizer.param_groups:
                sizes.update(size for parameter in group["params"] for size in parameter.shape)
        return sizes
