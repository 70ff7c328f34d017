"""The training set again and again, without dropout and weight decay, as long as there is time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnlint.capture.intervention import Intervention
from nnlint.capture.undropped import UndroppedMode

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner


class Memorise(Intervention):
    """`values`: when to end, by the monotonic clock, which all processes of a machine share.

    The script's first epoch has no end, so that no validation takes the time of training, and no count of
    epochs ends it.
    """

    endless = True

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        self._mode = UndroppedMode()
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            if "weight_decay" in group:
                group["weight_decay"] = 0.0

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        if time.monotonic() > self.values[0]:
            self.runner.end("seconds")
