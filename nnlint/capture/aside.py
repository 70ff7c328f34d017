"""Sets the modes that listen to function calls aside while one of torch's own optimizers steps.

They hear nothing there that they want, and a step makes a hundred calls.
"""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from torch.overrides import (
    TorchFunctionMode,
    _get_current_function_mode,
    _pop_mode,
    _push_mode,
)


class Aside:
    """The modes that were taken down; `back` puts them up again, and may be called at any time."""

    def __init__(self) -> None:
        self._down: list[TorchFunctionMode] = []

    def take(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Take down those on top that are nnlint's, if no code of the user's runs within this step.

        `args` and `kwargs` are those of `step`, itself included: a closure computes the loss anew.
        """
        self.back()
        if len(args) > 1 or kwargs or not type(optimizer).__module__.startswith("torch.optim."):
            return
        while (top := _get_current_function_mode()) is not None:  # type: ignore[no-untyped-call]
            if not type(top).__module__.startswith("nnlint."):
                return
            self._down.append(_pop_mode())  # type: ignore[no-untyped-call]

    def back(self) -> None:
        """After the step, or where one has raised."""
        while self._down:
            _push_mode(self._down.pop())  # type: ignore[no-untyped-call]
