"""Looks at calls of torch.nn.functional while they run: losses, and dropout that should be off."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nnlint.capture.plan import Criterion, Place
from nnlint.capture.watch import user_place

_NAMES = (
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "kl_div",
    "multi_margin_loss",
)
LOSSES: dict[Callable[..., Any], str] = {getattr(functional, name): name for name in _NAMES}
_CLASSES = frozenset({"cross_entropy", "nll_loss", "multi_margin_loss"})
# Their targets are labels.
LABELLED = _CLASSES | {"binary_cross_entropy", "binary_cross_entropy_with_logits"}


class CriterionMode(TorchFunctionMode):
    """`seen` has each call of a loss, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Criterion] = []
        # A mode cannot be left from within a call that it sees; it can be told to look away.
        self.on = True

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.on and (name := LOSSES.get(function)):
            # A loss that is called wrongly raises below, in the user's own words.
            try:
                bound = inspect.signature(function).bind(*args, **kwargs).arguments
            except TypeError:
                bound = {}
            prediction, target = bound.get("input"), bound.get("target")
            if isinstance(prediction, torch.Tensor) and isinstance(target, torch.Tensor):
                self.seen.append(_criterion(name, prediction, target, bound.get("ignore_index", -100)))
        return function(*args, **kwargs)


def _criterion(name: str, prediction: torch.Tensor, target: torch.Tensor, ignore_index: int) -> Criterion:
    with torch.no_grad():
        integer = not target.is_floating_point()
        values = target.detach()
        if name in _CLASSES and integer:
            values = values[values != ignore_index]
        values = values.double()
        finite = bool(torch.isfinite(values).all())
        low, high = (float(values.min()), float(values.max())) if values.numel() else (0.0, 0.0)
    axis = 0 if prediction.dim() == 1 else 1
    classes = prediction.shape[axis] if name in _CLASSES and prediction.dim() else 0
    place = user_place()
    shapes = tuple(prediction.shape), tuple(target.shape)
    return Criterion(name, place, *shapes, classes, low, high, integer, finite, ignore_index)


_DROPOUTS = frozenset(
    {
        functional.dropout,
        functional.dropout1d,
        functional.dropout2d,
        functional.dropout3d,
        functional.alpha_dropout,
        functional.feature_alpha_dropout,
    }
)


class DropoutMode(TorchFunctionMode):
    """`places` has the user's line of each dropout that does drop: of a function, or of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Place] = []

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _DROPOUTS:
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            rate = bound.arguments["p"] if bound.arguments["training"] else 0.0
        elif function is functional.scaled_dot_product_attention:
            rate = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
        else:
            rate = 0.0
        if rate > 0 and (place := user_place()):
            self.places.append(place)
        return function(*args, **kwargs)
