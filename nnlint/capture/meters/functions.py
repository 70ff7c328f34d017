"""Checks the backward of the user's autograd functions against finite differences."""

from __future__ import annotations

import linecache
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd import Function as AutogradFunction

from nnlint.capture.batch import tensors
from nnlint.capture.meter import Meter
from nnlint.capture.plan import Place
from nnlint.capture.watch import is_library, user_place
from nnlint.experiments.functions import Function, Functions, Input

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

_DIRECTIONS = 6
_STEP = 1e-6
_MOST_ELEMENTS = 1 << 20


@dataclass(slots=True)
class _Applied:
    """The arguments of the first call that could be differentiated; tensors are copies."""

    args: tuple[Any, ...]
    place: Place | None


class FunctionsMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._applied: dict[type[Any], _Applied] = {}
        self._forwards: dict[type[Any], Any] = {}

    def begin(self, batches: Batches | None, batch: Any) -> None:
        for kind in _own(AutogradFunction):
            if "forward" in vars(kind):
                self._forwards[kind] = vars(kind)["forward"]
                self._listen(kind)

    def _listen(self, kind: type[Any]) -> None:
        original = kind.forward
        # With a `setup_context` of its own, forward gets no context.
        skipped = 1 if kind.setup_context is AutogradFunction.setup_context else 0

        def heard(*args: Any, **kwargs: Any) -> Any:
            given = args[skipped:]
            size = sum(tensor.numel() for tensor in tensors(given))
            # Within a forward nothing is recorded, so the inputs tell whether anybody will differentiate.
            if kind not in self._applied and size <= _MOST_ELEMENTS and not kwargs:
                copies = tuple(_copy(value) for value in given)
                if any(isinstance(value, torch.Tensor) and value.requires_grad for value in copies):
                    self._applied[kind] = _Applied(copies, user_place())
            return original(*args, **kwargs)

        kind.forward = staticmethod(heard)

    def result(self) -> Functions:
        for kind, forward in self._forwards.items():
            kind.forward = forward
        return Functions(tuple(_checked(kind, applied) for kind, applied in self._applied.items()))


def _own(kind: type[Any]) -> Iterator[type[Any]]:
    """The subclasses that stand in the user's files."""
    for child in kind.__subclasses__():
        source = getattr(sys.modules.get(child.__module__), "__file__", None)
        if source is not None and not is_library(source):
            yield child
        yield from _own(child)


def _copy(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)


def _checked(kind: type[Any], applied: _Applied) -> Function:
    place = _backward_of(kind)
    name = kind.__name__
    try:
        with torch.enable_grad():
            identity, inputs = _compare(kind, applied.args)
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return Function(name, place, applied.place, False, (), why)
    if any(not math.isfinite(value) for entry in inputs for value in (*entry.backward, *entry.differences)):
        return Function(name, place, applied.place, identity, (), "it is not finite where it was applied")
    return Function(name, place, applied.place, identity, tuple(inputs), "")


def _compare(kind: type[Any], args: tuple[Any, ...]) -> tuple[bool, list[Input]]:
    """Directional derivatives, each input by itself, the others held."""
    exact = tuple(
        value.detach().double().requires_grad_(value.requires_grad)
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else value
        for value in args
    )
    outputs = _apply(kind, exact)
    if not all(torch.equal(one, other) for one, other in zip(outputs, _apply(kind, exact), strict=True)):
        raise ValueError("two calls with one input differ")
    identity = any(
        isinstance(value, torch.Tensor)
        and value.shape == output.shape
        and torch.equal(value.detach(), output)
        for output in outputs
        for value in exact
    )
    generator = torch.Generator().manual_seed(0)
    found = []
    for number, value in enumerate(exact):
        if not isinstance(value, torch.Tensor) or not value.requires_grad:
            continue
        pairs = [_pair(kind, exact, number, outputs, generator) for _ in range(_DIRECTIONS)]
        smooth = [pair for pair in pairs if pair is not None]
        if smooth:
            found.append(Input(number, tuple(p[0] for p in smooth), tuple(p[1] for p in smooth)))
    return identity, found


def _pair(
    kind: type[Any],
    exact: tuple[Any, ...],
    number: int,
    outputs: list[torch.Tensor],
    generator: torch.Generator,
) -> tuple[float, float] | None:
    """The derivative in a random direction by backward and by differences; None where it has a kink."""
    value = exact[number]
    direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    weights = [torch.randn(out.shape, generator=generator, dtype=torch.float64) for out in outputs]

    def total(shift: float) -> float:
        moved = list(exact)
        moved[number] = (value.detach() + shift * direction).requires_grad_()
        return float(
            sum((w * out.detach()).sum() for w, out in zip(weights, _apply(kind, moved), strict=True))
        )

    loss = sum((w * out).sum() for w, out in zip(weights, _apply(kind, exact), strict=True))
    (slope,) = torch.autograd.grad(loss, (value,), allow_unused=True)  # type: ignore[arg-type]
    by_backward = 0.0 if slope is None else float((slope * direction).sum())
    middle = total(0.0)
    right, left = (total(_STEP) - middle) / _STEP, (middle - total(-_STEP)) / _STEP
    if abs(right - left) > 1e-2 * max(abs(right), abs(left), 1e-4):
        return None
    return by_backward, (right + left) / 2


def _apply(kind: type[Any], args: Any) -> list[torch.Tensor]:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        outputs = [out for out in tensors(kind.apply(*args)) if out.is_floating_point()]
    finally:
        torch.set_rng_state(state)
    if any(out.dtype != torch.float64 for out in outputs):
        raise TypeError("it does not compute in double precision")
    return outputs


def _backward_of(kind: type[Any]) -> Place | None:
    """The line of `def backward`, not of its decorator."""
    code = getattr(kind.backward, "__code__", None)
    if code is None or is_library(code.co_filename):
        return None
    for row in range(code.co_firstlineno, code.co_firstlineno + 5):
        if linecache.getline(code.co_filename, row).lstrip().startswith("def "):
            return Place(code.co_filename, row)
    return Place(code.co_filename, code.co_firstlineno)
