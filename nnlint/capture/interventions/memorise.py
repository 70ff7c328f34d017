"""The training set again and again, without dropout and weight decay, as long as there is time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nnlint.capture.unregularised import Unregularised

if TYPE_CHECKING:
    import torch


class Memorise(Unregularised):
    """`values`: how long before the run's time is over to end, in seconds.

    The script's first epoch has no end, so that no validation takes the time of training, and no count of
    epochs ends it.
    """

    endless = True

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        if time.monotonic() > self.runner.host.plan.deadline - self.values[0]:
            self.runner.end("seconds")
