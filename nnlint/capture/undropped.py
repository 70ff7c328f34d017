"""Switches dropout off wherever it is applied, by modules or by functions, whatever the mode of the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_DROPOUTS = frozenset(
    getattr(functional, name)
    for name in (
        "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    )
) | {torch.dropout, torch.dropout_, torch.alpha_dropout, torch.feature_dropout}  # fmt: skip
# Their dropout between layers is the one argument that is a float.
_RECURRENT = frozenset({torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu})
_ATTENTION = functional.scaled_dot_product_attention
_HEADS = functional.multi_head_attention_forward
_HEARD = _DROPOUTS | _RECURRENT | {_ATTENTION, _HEADS}


class UndroppedMode(TorchFunctionMode):
    """Every dropout in it gives back what it gets."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function not in _HEARD:
            return function(*args, **kwargs) if kwargs else function(*args)
        kwargs = kwargs or {}
        if function in _DROPOUTS:
            return kwargs["input"] if "input" in kwargs else args[0]
        if function in _RECURRENT:
            args = tuple(0.0 if isinstance(value, float) else value for value in args)
        elif function is _ATTENTION:
            args, kwargs = args[:4] + (0.0,) * bool(args[4:]) + args[5:], dict(kwargs)
            kwargs = {**kwargs, "dropout_p": 0.0} if "dropout_p" in kwargs else kwargs
        elif function is _HEADS:
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.arguments["dropout_p"] = 0.0
            args, kwargs = bound.args, bound.kwargs
        return function(*args, **kwargs)
