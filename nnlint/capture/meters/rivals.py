"""Compares the model, batch by batch before it trains on them, with a constant and with a linear fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from nnlint.capture import batch as batches_of
from nnlint.capture.chance import Loss, loss_call
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.rivals import FITTED, MOST_FEATURES, Rivals

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

_CLASSES = ("cross_entropy", "nll_loss")
_VALUES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_LEAST = 12
# The weight of the ridge, relative to the mean square of the features.
_RIDGE = 1e-2


@dataclass(slots=True)
class _Seen:
    """One training step's loss call."""

    value: float
    chance: float
    features: torch.Tensor | None
    prediction: torch.Tensor
    target: torch.Tensor


class RivalsMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._seen: list[_Seen] = []
        self._name = ""
        self._function: Callable[..., Any] = torch.nn.functional.mse_loss
        self._weighted = False
        self._features: torch.Tensor | None = None
        self._place: Place | None = None
        # Several losses, or one called several times a step, have no one baseline.
        self._steps: set[int] = set()
        self._mixed = False
        self._mode = _LossMode(self)

    def begin(self, batches: Batches | None, batch: Any) -> None:
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if torch.is_grad_enabled():
            given = next(batches_of.tensors(args), None)
            fits = given is not None and given.is_floating_point() and given.dim() > 1
            self._features = given.detach().flatten(1) if given is not None and fits else None

    def heard(self, call: Loss, value: torch.Tensor) -> None:
        """A loss of torch.nn.functional was computed."""
        if not (torch.is_grad_enabled() and value.requires_grad) or self._mixed:
            return
        step = len(self.runner.steps)
        same = not self._seen or (
            self._name == call.name and self._seen[0].prediction.shape[1:] == call.prediction.shape[1:]
        )
        if step in self._steps or not same or value.numel() != 1:
            self._mixed = True
            return
        self._steps.add(step)
        bounds = call.bounds()
        if not _alike(call) or bounds is None:
            self._mixed = True
            return
        self._place = self._place or user_place()
        self._name, self._function = call.name, call.function
        self._weighted = call.arguments.get("weight") is not None
        features = self._features
        if features is not None and (
            features.shape[0] != call.prediction.shape[0] or features.shape[1] > MOST_FEATURES
        ):
            features = None
        kept = call.prediction.detach(), call.target.detach()
        self._seen.append(_Seen(float(value.detach()), float(bounds.chance), features, *kept))

    def result(self) -> Rivals | None:
        self._mode.on = False
        seen = self._seen
        if self._mixed or len(seen) < _LEAST:
            return None
        cut = int(FITTED * len(seen))
        early, late = seen[:cut], seen[cut:]
        middle = early[cut // 2 :]
        targets = torch.cat([one.target for one in late])
        predictions = torch.cat([one.prediction for one in late])
        fitted = _fit(early, late, values=self._name in _VALUES)
        classes = predictions.shape[1] if self._name in _CLASSES else 0
        majority = predicted = 0.0
        if classes:
            chosen = predictions.argmax(1)
            majority, predicted = _most(targets), _most(chosen)
            model, constant = _balanced(chosen, targets), 1 / max(1, len(set(targets.tolist())))
            linear = None if fitted is None else _balanced(fitted.argmax(1), targets)
        else:
            model = sum(one.value for one in late) / len(late)
            constant = sum(one.chance for one in late) / len(late)
            linear = None if fitted is None else float(self._function(fitted, targets))
        return Rivals(
            loss=self._name,
            place=self._place,
            steps=len(seen),
            samples=len(targets),
            classes=classes,
            majority=majority,
            predicted=predicted,
            weighted=self._weighted,
            model=model,
            constant=constant,
            linear=linear,
            before=sum(one.value for one in middle) / len(middle),
            after=sum(one.value for one in late) / len(late),
            chance=sum(one.chance for one in late) / len(late),
        )


class _LossMode(TorchFunctionMode):
    def __init__(self, meter: RivalsMeter) -> None:
        super().__init__()
        self._meter = meter
        self.on = True

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        value = function(*args, **kwargs)
        if self.on and (call := loss_call(function, args, kwargs)) is not None:
            self.on = False
            try:
                self._meter.heard(call, value)
            finally:
                self.on = True
        return value


def _alike(call: Loss) -> bool:
    """Whether there is one prediction a sample: a class each, or as many values as the target has."""
    prediction, target = call.prediction, call.target
    if call.name in _CLASSES:
        return prediction.dim() == 2 and target.dim() == 1 and not target.is_floating_point()
    return call.name in _VALUES and prediction.shape == target.shape and prediction.dim() in (1, 2)


def _fit(early: list[_Seen], late: list[_Seen], *, values: bool) -> torch.Tensor | None:
    """What a ridge regression on the early batches predicts for the late ones; None if it cannot be made."""
    if any(one.features is None for one in (*early, *late)):
        return None
    x = torch.cat([one.features for one in early if one.features is not None]).double()
    new = torch.cat([one.features for one in late if one.features is not None]).double()
    y = torch.cat([one.target for one in early])
    if len(x) < 2 * x.shape[1]:
        return None
    width = early[0].prediction.shape[1] if not values else 0
    wanted = y.double() if values else torch.nn.functional.one_hot(y.clamp(min=0), width).double()
    mean, scale = x.mean(0), x.std(0).clamp(min=1e-12)
    x, new = ((part - mean) / scale for part in (x, new))
    level = wanted.mean(0)
    gram = x.T @ x / len(x) + _RIDGE * torch.eye(x.shape[1], dtype=torch.float64)
    flat = (wanted - level).reshape(len(x), -1)
    weights = torch.linalg.solve(gram, x.T @ flat / len(x))
    fitted = (new @ weights).reshape(len(new), *wanted.shape[1:]) + level
    found: torch.Tensor = fitted.to(early[0].prediction.dtype)
    return found


def _most(classes: torch.Tensor) -> float:
    return float(torch.bincount(classes.clamp(min=0)).max()) / len(classes)


def _balanced(chosen: torch.Tensor, targets: torch.Tensor) -> float:
    """The mean over the classes that occur of the share of their samples that was found."""
    shares = [float((chosen[targets == number] == number).float().mean()) for number in set(targets.tolist())]
    return sum(shares) / len(shares)
