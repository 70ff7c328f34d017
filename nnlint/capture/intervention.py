"""The base class of what a continuation changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches


class Intervention:
    """Changes what the script sees from its fork point on. Each method does nothing here.

    `values` are the continuation's. Every method runs in the middle of the script: be quick, and change
    nothing but what the intervention is about.
    """

    # Whether every step sees the first batch again.
    holds = False
    # Whether the first loader's pass begins again wherever it is over, within the script's own epoch.
    endless = False

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        self.runner = runner
        self.values = values
        # Whether `calling` is to be heard, which costs time at every call.
        self.hears_calls = type(self).calling is not Intervention.calling

    def batch(self, batch: Any) -> Any:
        """The loader's first batch (with `holds`), or each of its batches, as the script is to get it."""
        return batch

    def over(self, batches: Batches) -> bool:
        """Whether a loader is to give no more batches in this pass, whatever it still has."""
        del batches
        return False

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """The script calls a module; a result takes the place of the arguments."""

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer is about to step."""

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """It has stepped."""
