"""What continuations share that train without dropout and weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnlint.capture.intervention import Intervention
from nnlint.capture.undropped import UndroppedMode

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner


class Unregularised(Intervention):
    """Dropout off from the fork point on, weight decay off in each step."""

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        self._mode = UndroppedMode()
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            if "weight_decay" in group:
                group["weight_decay"] = 0.0
