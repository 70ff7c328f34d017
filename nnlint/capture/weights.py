"""What optimizers do to parameters, step by step: the half of the meter `health` that looks at weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch.optim import Optimizer

from nnlint.capture.shards import local
from nnlint.capture.watch import Watch
from nnlint.experiments.health import MOST_WEIGHTS, SCHEDULE, Stepper, Weight, evenly, short

# Rates that are kept of an optimizer.
_MOST_RATES = 64
# Updates of copies differ by no more than rounding and a few random biases make of them.
_NEARLY = 0.05
_ROUGH = (torch.bfloat16, torch.float16)


@dataclass(slots=True)
class _Course:
    """One parameter over the measured steps."""

    optimizer: Optimizer
    start: torch.Tensor
    alike: bool
    # Elements that had a gradient at a measured step; kept where updates can be too small for the type.
    graded: torch.Tensor | None
    rates: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Stepper:
    steps: int = 0
    graded: int = 0
    rates: list[float] = field(default_factory=list)


class Weights:
    """Measures the parameters around the steps of SCHEDULE, each optimizer by its own count."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._steppers: dict[Optimizer, _Stepper] = {}
        self._courses: dict[torch.Tensor, _Course] = {}
        self._before: dict[torch.Tensor, torch.Tensor] = {}

    def stepping(self, optimizer: Optimizer) -> None:
        """Keep what is needed to see the step's effect."""
        stepper = self._steppers.setdefault(optimizer, _Stepper())
        if stepper.steps not in SCHEDULE:
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                # A closure may bring the gradient later; it is read after the step.
                if parameter.requires_grad and not parameter.is_sparse and parameter.is_floating_point():
                    self._before[parameter] = local(parameter).detach().clone()

    def stepped(self, optimizer: Optimizer) -> None:
        """Compare."""
        stepper = self._steppers.setdefault(optimizer, _Stepper())
        stepper.steps += 1
        groups = optimizer.param_groups
        stepper.graded += any(parameter.grad is not None for group in groups for parameter in group["params"])
        if groups:
            stepper.rates.append(float(groups[0]["lr"]))
        for group in groups:
            due = [
                parameter
                for parameter in group["params"]
                if parameter in self._before and parameter.grad is not None and not parameter.grad.is_sparse
            ]
            if due:
                self._measure(optimizer, due, float(group["lr"]))
        self._before.clear()

    def _measure(self, optimizer: Optimizer, due: list[torch.Tensor], rate: float) -> None:
        before = [self._before[parameter] for parameter in due]
        gradients = [local(parameter.grad).detach() for parameter in due if parameter.grad is not None]
        updates = list(torch._foreach_sub([local(parameter).detach() for parameter in due], before))
        figures = zip(due, before, gradients, norms(gradients), norms(before), norms(updates), strict=True)
        for parameter, old, gradient, gradient_norm, norm, update in figures:
            course = self._courses.get(parameter)
            if course is None:
                mask = torch.zeros_like(old, dtype=torch.bool) if old.dtype in _ROUGH else None
                course = self._courses[parameter] = _Course(optimizer, old, _alike(old), mask)
            if course.graded is not None:
                course.graded |= gradient != 0
            course.rates.append(rate)
            course.gradients.append(short(gradient_norm))
            course.norms.append(short(norm))
            course.updates.append(short(update))

    def broken(self) -> list[torch.Tensor]:
        """The parameters that hold NaN or Inf now."""
        return [parameter for parameter in self._courses if not bool(torch.isfinite(local(parameter)).all())]

    def steppers(self) -> tuple[Stepper, ...]:
        """The optimizers that stepped, in the order of their first step."""
        return tuple(
            Stepper(
                type(optimizer).__name__,
                self._watch.built.get(optimizer),
                sum(len(group["params"]) for group in optimizer.param_groups),
                stepper.steps,
                stepper.graded,
                tuple(short(rate) for rate in stepper.rates[:_MOST_RATES]),
            )
            for optimizer, stepper in self._steppers.items()
        )

    def result(self, names: dict[torch.Tensor, tuple[int, str]]) -> tuple[tuple[Weight, ...], int]:
        """What was measured of those that have a name, and how many of them were left out."""
        named = [(names[parameter], parameter) for parameter in names if parameter in self._courses]
        big = [entry for entry in named if entry[1].dim() >= 2]
        small = [entry for entry in named if entry[1].dim() < 2]
        chosen = evenly(big, MOST_WEIGHTS)
        chosen += evenly(small, MOST_WEIGHTS - len(chosen))
        order = {id(parameter): number for number, (_, parameter) in enumerate(named)}
        chosen.sort(key=lambda entry: order[id(entry[1])])
        weights = tuple(self._weight(*name, parameter) for name, parameter in chosen)
        return weights, len(named) - len(weights)

    def _weight(self, root: int, name: str, parameter: torch.Tensor) -> Weight:
        course = self._courses[parameter]
        now = local(parameter).detach()
        moved = now != course.start
        if course.graded is None:
            share = float(moved.any())
        else:
            graded = int(course.graded.sum())
            share = int((moved & course.graded).sum()) / graded if graded else 1.0
        return Weight(
            root=root,
            name=name,
            shape=tuple(parameter.shape),
            dtype=str(parameter.dtype).removeprefix("torch."),
            optimizer=type(course.optimizer).__name__,
            place=self._watch.built.get(course.optimizer),
            rates=tuple(course.rates),
            gradients=tuple(course.gradients),
            norms=tuple(course.norms),
            updates=tuple(course.updates),
            alike_before=course.alike,
            alike_after=course.alike and _alike(now - course.start, _NEARLY),
            constant=now.numel() > 1 and bool((now == now.flatten()[0]).all()),
            moved=short(share),
        )


def norms(tensors: list[torch.Tensor]) -> list[float]:
    """The Euclidean norm of each. In half precision the squares of sound numbers overflow."""
    wide = [tensor.float() if tensor.dtype in _ROUGH else tensor for tensor in tensors]
    return [float(norm) for norm in torch._foreach_norm(wide)]


def finite(tensors: list[torch.Tensor]) -> bool:
    """Whether all elements of all are finite; a norm may overflow where the elements do not."""
    return all(
        math.isfinite(norm) or bool(torch.isfinite(tensor).all())
        for norm, tensor in zip(norms(tensors), tensors, strict=True)
    )


def _alike(weight: torch.Tensor, tolerance: float = 0.0) -> bool:
    """Whether its units, the rows, all weigh their inputs the same."""
    if weight.dim() < 2 or weight.shape[0] < 2 or not weight[0].numel():
        return False
    spread = torch.linalg.vector_norm((weight - weight[:1]).float())
    return bool(spread <= tolerance * torch.linalg.vector_norm(weight.float()))
