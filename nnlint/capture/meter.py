"""The base class of what measures in a continuation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches


class Meter:
    """Hears what happens in one continuation and sums it up. Each method does nothing here.

    An exception in a method ends the meter and is reported; the continuation goes on. `calling` and `called`
    are heard only by a meter that overrides one of them, since hearing costs time at every call.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def begin(self, batches: Batches | None, batch: Any) -> None:
        """At the fork point, before the script goes on; with a loader, its iterator and the batch to come."""

    def given(self, batches: Batches, batch: Any) -> None:
        """A loader gives the script a batch: this one, as the intervention has made it."""

    def exhausted(self, batches: Batches) -> None:
        """A loader has no more batches for this pass."""

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        """The script itself calls a module."""

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """That call has returned."""

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        """Gradients of these are about to be computed."""

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer is about to step."""

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """It has stepped."""

    def result(self) -> object | None:
        """What was found, a value of the namesake module in nnlint.experiments; called once, at the end."""
        return None
