"""Hears the loss functions that a script calls, wherever it calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from nnlint.capture.chance import LOSSES, Loss, loss_call
from nnlint.capture.plan import Place
from nnlint.capture.watch import user_place
from nnlint.capture.written import WrittenErrors


@dataclass(slots=True)
class Heard:
    """One call of a loss function whose bounds can be told, and what it gave."""

    call: Loss
    output: torch.Tensor
    place: Place | None


class LossMode(TorchFunctionMode):
    """Keeps every such call in `heard`, in order, while it is `on`; who reads them takes them away.

    `written` is told of all other calls, where there is somebody to be told.
    """

    def __init__(self, written: WrittenErrors | None = None) -> None:
        super().__init__()
        self.written = written
        self.heard: list[Heard] = []
        self.on = True

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function not in LOSSES:
            # By far the most calls: each costs as little as it can.
            result = function(*args, **kwargs) if kwargs else function(*args)
            if self.written is not None:
                self.written.note(function, args, result)
            return result
        output = function(*args, **(kwargs or {}))
        if self.on and isinstance(output, torch.Tensor) and output.requires_grad:
            call = loss_call(function, args, kwargs or {})
            if call is not None:
                self.heard.append(Heard(call, output, user_place()))
        return output
