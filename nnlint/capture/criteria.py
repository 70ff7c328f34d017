"""Looks at the calls of torch.nn.functional's losses while one iteration runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nnlint.capture.plan import Criterion
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
_LOSSES: dict[Callable[..., Any], str] = {getattr(functional, name): name for name in _NAMES}
_CLASSES = frozenset({"cross_entropy", "nll_loss", "multi_margin_loss"})


class CriterionMode(TorchFunctionMode):
    """`seen` has each call of a loss, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Criterion] = []

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if name := _LOSSES.get(function):
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
