"""Hears how the first loss is made: of which loss functions, and of which terms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from nnlint.capture import chance
from nnlint.capture.batch import tensors
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.first_loss import Call, FirstLoss, Term

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

_MOST = 4096
_SUMS = {torch.Tensor.add: 1.0, torch.Tensor.__radd__: 1.0, torch.Tensor.add_: 1.0, torch.add: 1.0,
         torch.Tensor.__add__: 1.0, torch.Tensor.__iadd__: 1.0, torch.Tensor.sub: -1.0,
         torch.Tensor.__sub__: -1.0, torch.Tensor.__isub__: -1.0, torch.sub: -1.0}  # fmt: skip
_PRODUCTS = (torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__, torch.Tensor.__imul__, torch.mul)
_QUOTIENTS = (torch.Tensor.div, torch.Tensor.__truediv__, torch.Tensor.__itruediv__, torch.div)


@dataclass(slots=True)
class _Made:
    """A single number that can be differentiated: its parts and the factor of each, none for a leaf."""

    # Held so that no other tensor gets its identity.
    result: torch.Tensor
    value: float
    # The loss function that it follows from.
    call: chance.Loss | None
    place: Place | None
    parts: tuple[tuple[Any, float], ...]


class FirstLossMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._mode = _Hear()
        self._found: FirstLoss | None = None

    def begin(self, batches: Batches | None, batch: Any) -> None:
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if self._found is not None:
            return
        self._mode.on = False
        calls = tuple(call for found in self._mode.calls if (call := _call(*found)) is not None)
        self._found = FirstLoss(
            loss=float(sum(loss.detach().float().sum() for loss in losses)),
            leaf=all(loss.grad_fn is None for loss in losses),
            place=user_place(),
            calls=calls,
            terms=self._mode.terms(losses[0]) if len(losses) == 1 else (),
        )
        self._mode.forget()

    def result(self) -> FirstLoss | None:
        self._mode.on = False
        return self._found


class _Hear(TorchFunctionMode):
    """Keeps the calls of losses, and the sums and products of single numbers that follow."""

    def __init__(self) -> None:
        super().__init__()
        self.on = True
        self.calls: list[tuple[chance.Loss, torch.Tensor, Place | None]] = []
        self._made: dict[int, _Made] = {}
        # Tensors that follow from a call of a loss, and from which.
        self._from: dict[int, tuple[torch.Tensor, chance.Loss]] = {}

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if self.on and isinstance(result, torch.Tensor) and result.requires_grad and len(self._from) < _MOST:
            call = chance.loss_call(function, args, kwargs)
            if call is not None:
                self.calls.append((call, result.detach(), user_place()))
            else:
                given = (id(tensor) for tensor in tensors((args, kwargs)))
                call = next((self._from[key][1] for key in given if key in self._from), None)
            if call is not None:
                self._from[id(result)] = result, call
            if result.numel() == 1 and len(self._made) < _MOST:
                parts = self._parts(function, args, result)
                value = float(result.detach())
                self._made[id(result)] = _Made(result, value, call, user_place(), parts)
        return result

    def forget(self) -> None:
        """Let go of the tensors."""
        self.calls.clear()
        self._made.clear()
        self._from.clear()

    def _parts(
        self, function: Callable[..., Any], args: Any, result: torch.Tensor
    ) -> tuple[tuple[Any, float], ...]:
        """What it is the weighted sum of."""
        if len(args) != 2:
            return ()
        # In place, what is known under the name of the result is still its old value.
        first, second = (self._made.get(id(arg), arg) for arg in args)
        if function in _SUMS:
            return ((first, 1.0), (second, _SUMS[function]))
        if function in _PRODUCTS:
            return _scaled(first, second, 1) or _scaled(second, first, 1)
        return _scaled(first, second, -1) if function in _QUOTIENTS else ()

    def terms(self, loss: torch.Tensor) -> tuple[Term, ...]:
        """The loss as a sum over the lines that made its terms."""
        totals: dict[tuple[Place | None, bool], list[float]] = {}
        waiting: list[tuple[Any, float]] = [(self._made.get(id(loss)), 1.0)]
        while waiting:
            made, factor = waiting.pop()
            if not isinstance(made, _Made):
                continue
            if made.parts:
                waiting.extend((part, factor * weight) for part, weight in made.parts)
                continue
            data = made.call is not None and _varies(made.call.target)
            total = totals.setdefault((made.place, data), [0.0, 0.0])
            total[0] += factor * made.value
            if data and made.call is not None:
                own = _call(made.call, made.call.of(made.call.prediction.detach()), made.place)
                # The call may be summed, weighted or masked on its way to this number.
                if own is not None and own.value:
                    total[1] += abs(factor * own.guess * made.value / own.value)
        return tuple(
            Term(place, value, data, guess)
            for (place, data), (value, guess) in totals.items()
            if math.isfinite(value) and math.isfinite(guess)
        )


def _scaled(term: Any, factor: Any, power: int) -> tuple[tuple[Any, float], ...]:
    """A term times a plain number, or a tensor of one element that is not learned."""
    if not isinstance(term, _Made) or isinstance(factor, _Made):
        return ()
    if isinstance(factor, torch.Tensor):
        if factor.numel() != 1 or factor.requires_grad:
            return ()
        factor = float(factor)
    if not isinstance(factor, (int, float)) or (power < 0 and not factor):
        return ()
    return ((term, float(factor) ** power),)


def _varies(target: torch.Tensor) -> bool:
    """Whether the targets differ: a discriminator's ones and zeros are no data."""
    return target.numel() > 1 and bool((target != target.flatten()[0]).any())


def _call(call: chance.Loss, result: torch.Tensor, place: Place | None) -> Call | None:
    bounds = call.bounds()
    if bounds is None:
        return None
    with torch.no_grad():
        ignorant = _ignorant(call)
        best = float(bounds.chance.double().sum())
        guess = float(call.of(ignorant).double().sum()) if ignorant is not None else best
        value = float(result.double().sum())
        prediction, target = call.prediction.detach().float(), call.target.detach().float()
    if not all(math.isfinite(number) for number in (value, guess, best)):
        return None
    return Call(
        name=call.name,
        place=place,
        classes=prediction.shape[0 if prediction.dim() == 1 else 1] if call.name in _CLASSES else 0,
        value=value,
        guess=guess,
        chance=best,
        prediction=_figures(prediction),
        target=() if call.name in _CLASSES else _figures(target),
        samples=len(target) if target.dim() else 1,
    )


_CLASSES = ("cross_entropy", "nll_loss", "multi_margin_loss")
# Of these functions the prediction is scores, which say nothing where they are zero.
_SCORES = (
    "cross_entropy",
    "binary_cross_entropy_with_logits",
    "multi_margin_loss",
    "soft_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
)


def _ignorant(call: chance.Loss) -> torch.Tensor | None:
    """A prediction that treats all classes alike; None for values, where the best constant is the guess."""
    prediction = call.prediction.detach()
    if call.name in _SCORES:
        return torch.zeros_like(prediction)
    if call.name == "binary_cross_entropy":
        return torch.full_like(prediction, 0.5)
    if call.name in ("nll_loss", "kl_div") and prediction.dim():
        axis = 0 if prediction.dim() == 1 else (1 if call.name == "nll_loss" else -1)
        return torch.full_like(prediction, -math.log(max(prediction.shape[axis], 1)))
    return None


def _figures(values: torch.Tensor) -> tuple[float, ...]:
    if not values.numel():
        return ()
    deviation, mean = torch.std_mean(values, correction=0)
    return float(deviation), float(mean)
