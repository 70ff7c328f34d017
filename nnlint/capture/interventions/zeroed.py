"""Every step sees the first batch again, with its input set to zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnlint.capture import batch as batches_of
from nnlint.capture.intervention import Intervention

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner


class Zeroed(Intervention):
    holds = True

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        # Where a loader gives the input, models are called with what follows from it; noise stays.
        self.hears_calls = runner.trigger != "loader"

    def batch(self, batch: Any) -> Any:
        return batches_of.zeroed(batch)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        return batches_of.zeroed(args), kwargs
