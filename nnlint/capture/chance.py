"""What a loss would be without looking at the input, and at its best, whatever the model is.

Both follow from the targets alone: the loss function itself is called once with the best constant
prediction, and once with the best prediction of all, so that its reduction, weights, smoothing and
ignored index count as they do for the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

_TINY = 1e-9
# A score beyond which the loss of a certain answer is nothing in float32.
_CERTAIN = 30.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The loss of the best constant prediction, and the lowest loss there can be; of the call's own shape."""

    chance: torch.Tensor
    floor: torch.Tensor


@dataclass(frozen=True, slots=True)
class Loss:
    """One call of a loss of torch.nn.functional, its arguments by name."""

    function: Callable[..., Any]
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.function.__name__)

    @property
    def prediction(self) -> torch.Tensor:
        found: torch.Tensor = self.arguments["input"]
        return found

    @property
    def target(self) -> torch.Tensor:
        found: torch.Tensor = self.arguments["target"]
        return found

    def of(self, prediction: torch.Tensor) -> torch.Tensor:
        """The loss of another prediction."""
        arguments = {
            name: value.detach() if isinstance(value, torch.Tensor) else value
            for name, value in self.arguments.items()
        }
        result: torch.Tensor = self.function(**{**arguments, "input": prediction})
        return result

    def bounds(self) -> Bounds | None:
        """The bounds; None for what is called wrongly."""
        try:
            with torch.no_grad():
                constant, best = _PREDICTIONS[self.name](self)
                return Bounds(self.of(constant), self.of(best))
        except (RuntimeError, IndexError, ValueError):
            return None


def loss_call(function: Callable[..., Any], args: Any, kwargs: Any) -> Loss | None:
    """The call, if it is one of a loss whose bounds can be told."""
    if function not in LOSSES:
        return None
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return None
    call = Loss(function, bound.arguments)
    tensors = (bound.arguments.get("input"), bound.arguments.get("target"))
    return call if all(isinstance(tensor, torch.Tensor) for tensor in tensors) else None


def _classes(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities: of each class as often as it comes, and of the targets themselves."""
    prediction, target = call.prediction.detach(), call.target.detach()
    axis = 0 if prediction.dim() == 1 else 1
    number = prediction.shape[axis]
    weight = call.arguments.get("weight")
    smoothing = call.arguments.get("label_smoothing", 0.0)
    if target.is_floating_point():
        shares = target.movedim(axis, -1) if target.dim() else target
        counted = torch.ones(shares.shape[:-1], dtype=torch.bool)
    else:
        counted = target != call.arguments.get("ignore_index", -100)
        shares = functional.one_hot(target.where(counted, 0), number)
    shares = shares.to(prediction.dtype) * (1 - smoothing) + smoothing / number
    if weight is not None:
        shares = shares * weight
    best = _normalised(shares)
    constant = _normalised(shares[counted].reshape(-1, number).sum(0)).expand_as(shares)
    logs = [(part.clamp_min(_TINY)).log().movedim(-1, axis) for part in (constant, best)]
    return logs[0].expand_as(prediction), logs[1].expand_as(prediction)


def _normalised(shares: torch.Tensor) -> torch.Tensor:
    return shares / shares.sum(-1, keepdim=True).clamp_min(_TINY)


def _mean(target: torch.Tensor) -> torch.Tensor:
    """The mean over the samples, for all of them."""
    return target.mean(0, keepdim=True).expand_as(target) if target.dim() else target


def _probability(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    target = call.target.detach().to(call.prediction.dtype)
    return _mean(target).clamp(0, 1).expand_as(call.prediction), target.clamp(0, 1).expand_as(call.prediction)


def _logit(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    positive = call.arguments.get("pos_weight")
    weight = 1.0 if positive is None else positive
    constant, best = (
        (weight * part / (weight * part + 1 - part)).clamp(_TINY, 1 - 1e-6) for part in _probability(call)
    )
    # Beyond what float32 can tell from one the logit of a certain label would not be finite.
    hard = (best.logit() * 2).where((best <= _TINY) | (best >= 1 - 1e-6), best.logit())
    return constant.logit(), hard


def _value(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    target = call.target.detach().to(call.prediction.dtype)
    options = [_mean(target)]
    if target.dim():
        options.append(target.median(0, keepdim=True).values.expand_as(target))
    shape = torch.broadcast_tensors(call.prediction.detach(), target)[0].shape  # type: ignore[no-untyped-call]
    constant = min(options, key=lambda option: float(call.of(option.expand(shape)).sum()))
    # A prediction of another shape is broadcast: its best is a constant, too, but this bound holds for all.
    return constant.expand(shape), target.expand(shape)


def _divergence(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    target = call.target.detach()
    probabilities = target.exp() if call.arguments.get("log_target") else target
    logs = [part.clamp_min(_TINY).log() for part in (_mean(probabilities), probabilities)]
    return logs[0].expand_as(call.prediction), logs[1].expand_as(call.prediction)


def _margin(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores a margin apart: of the classes that come most often, and of the targets."""
    if call.arguments.get("p", 1) != 1:
        raise ValueError("only where the margin counts linearly")
    prediction, target = call.prediction.detach(), call.target.detach()
    margin, number = call.arguments.get("margin", 1.0), prediction.shape[-1]
    often = torch.bincount(target.flatten(), minlength=number).argsort(descending=True)
    options = [torch.zeros_like(prediction)]
    for first in range(1, number):
        scores = torch.zeros_like(prediction)
        scores[..., often[:first]] = margin
        options.append(scores)
    best = functional.one_hot(target, number).to(prediction.dtype) * margin
    return min(options, key=lambda option: float(call.of(option).sum())), best.expand_as(prediction)


def _several(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores a margin apart for targets that list classes up to the first -1."""
    prediction, target = call.prediction.detach(), call.target.detach()
    listed = (target >= 0).long().cumprod(-1)
    member = torch.zeros_like(prediction).scatter_add(-1, target.clamp_min(0), listed.to(prediction.dtype))
    member = member.clamp_max(1)
    often = member.reshape(-1, member.shape[-1]).sum(0).argsort(descending=True)
    number = prediction.shape[-1]
    levels = torch.arange(number - 1, -1, -1, dtype=prediction.dtype)
    # Every class above the next one, or the most frequent ones above the others.
    options = [torch.zeros_like(prediction).index_copy(-1, often, levels.expand_as(prediction))]
    for first in range(number):
        scores = torch.zeros_like(prediction)
        scores[..., often[:first]] = 1.0
        options.append(scores)
    return min(options, key=lambda option: float(call.of(option).sum())), member


def _distance(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances, which are not below zero: small for a target of one, a margin for minus one."""
    target, margin = call.target.detach(), float(call.arguments.get("margin", 1.0))
    near = torch.zeros_like(call.prediction)
    positive = ((target.to(near.dtype) + 1) / 2).expand_as(near)
    far = torch.full_like(near, margin)
    return near.where(_mean(positive) > 0.5, far), near.where(positive > 0.5, far)


def _sign(call: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores for targets of minus one and one."""
    positive = (call.target.detach().to(call.prediction.dtype) + 1) / 2
    share = _mean(positive).clamp(_TINY, 1 - 1e-6)
    return share.logit().expand_as(call.prediction), call.target.detach() * _CERTAIN


_PREDICTIONS: dict[str, Callable[[Loss], tuple[torch.Tensor, torch.Tensor]]] = {
    "cross_entropy": _classes,
    "nll_loss": _classes,
    "binary_cross_entropy": _probability,
    "binary_cross_entropy_with_logits": _logit,
    "mse_loss": _value,
    "l1_loss": _value,
    "smooth_l1_loss": _value,
    "huber_loss": _value,
    "kl_div": _divergence,
    "multi_margin_loss": _margin,
    "soft_margin_loss": _sign,
    "hinge_embedding_loss": _distance,
    "multilabel_margin_loss": _several,
    "multilabel_soft_margin_loss": _logit,
}
LOSSES = frozenset(getattr(functional, name) for name in _PREDICTIONS)
