"""Changes the later elements of a sequence, and looks whether predictions before them change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nnlint.capture import batch as batches_of
from nnlint.capture import chance
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.future import Future, Sequence

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

_SHORTEST = 4
_MOST = 1 << 20
# Of the targets that count, so many must be the elements of the input for the model to be trained on those.
_SAME = 0.98
# What is ignored by default stands for no token.
_IGNORED = -100


@dataclass(slots=True)
class _Call:
    root: nn.Module
    args: Any
    kwargs: Any
    place: Place | None


class FutureMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._calls: list[_Call] = []
        self._losses = _Losses()
        self._found: Future | None = None

    def begin(self, batches: Batches | None, batch: Any) -> None:
        self._losses.__enter__()  # type: ignore[no-untyped-call]

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        size = sum(tensor.numel() for tensor in batches_of.tensors((args, kwargs)))
        if self._found is None and torch.is_grad_enabled() and len(self._calls) < 4 and size <= _MOST:
            copies = batches_of.held(args), batches_of.held(kwargs)
            self._calls.append(_Call(root, *copies, user_place()))

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if self._found is not None:
            return
        self._losses.on = False
        self._found = Future(
            tuple(
                entry
                for call in self._calls
                for target, place in self._losses.seen
                for entry in _sequences(call, target, place)
            )
        )
        self._calls.clear()
        self._losses.seen.clear()

    def result(self) -> Future | None:
        self._losses.on = False
        return self._found


class _Losses(TorchFunctionMode):
    """Keeps the targets of the first few losses."""

    def __init__(self) -> None:
        super().__init__()
        self.on = True
        self.seen: list[tuple[torch.Tensor, Place | None]] = []

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        call = chance.loss_call(function, args, kwargs) if self.on and len(self.seen) < 4 else None
        if call is not None and call.target.numel() <= _MOST:
            self.seen.append((call.target.detach().clone(), user_place()))
        return function(*args, **kwargs)


def _sequences(call: _Call, target: torch.Tensor, place: Place | None) -> Iterator[Sequence]:
    """The inputs of the call that the targets were made of."""
    given = [tensor for tensor in batches_of.tensors((call.args, call.kwargs)) if tensor.dim() >= 2]
    for tensor in given:
        if (found := _relation(tensor, target)) is None:
            continue
        axis, shift = found
        seen = _look(call, tensor, axis)
        if seen is not None:
            heard, leak = seen
            integer, length = not tensor.is_floating_point(), tensor.shape[axis]
            yield Sequence(shift, integer, length, call.place, place, heard, leak, _suspects(call.root))


def _relation(tensor: torch.Tensor, target: torch.Tensor) -> tuple[int, int] | None:
    """Along which axis, and by how many places, the targets are the input's elements, if they are."""
    if tensor.is_floating_point() != target.is_floating_point() or bool(
        (tensor == tensor.flatten()[:1]).all()
    ):
        return None
    for axis in (1, 0):
        length = tensor.shape[axis]
        if length < _SHORTEST:
            continue
        for shift in (1, 0, 2):
            later = tensor.narrow(axis, shift, length - shift)
            for whole in (True, False):
                shape = tensor.shape if whole else later.shape
                if target.numel() != shape.numel() or (shift == 0 and not whole):
                    continue
                own = target.reshape(shape).narrow(axis, 0, length - shift)
                counted = own != _IGNORED
                if int(counted.sum()) >= _SHORTEST and float((own == later)[counted].float().mean()) >= _SAME:
                    return axis, shift
    return None


def _look(call: _Call, tensor: torch.Tensor, axis: int) -> tuple[bool, float] | None:
    """Whether later elements are heard at all, and how much of that is before them."""
    cut = max(tensor.shape[axis] // 2, 1)
    later = tensor.narrow(axis, cut, tensor.shape[axis] - cut)
    other = later.flip(axis).roll(1, 1 - axis if tensor.dim() > 1 else 0)
    other = torch.where(other == later, later.flatten().roll(1).reshape(later.shape), other)
    modes = {module: module.training for module in call.root.modules()}
    state = torch.get_rng_state()
    try:
        call.root.eval()
        with torch.no_grad():
            before = _predictions(call, tensor)
            kept = later.clone()
            later.copy_(other)
            after = _predictions(call, tensor)
            later.copy_(kept)
    finally:
        torch.set_rng_state(state)
        for module, mode in modes.items():
            module.training = mode
    if before is None or after is None or before.shape != after.shape:
        return None
    change = (before - after).abs()
    whole = float(change.max())
    heard = whole > 1e-6 * float(before.abs().max())
    early = float(change.narrow(axis, 0, cut).max())
    return heard, early / whole if heard else 0.0


def _predictions(call: _Call, tensor: torch.Tensor) -> torch.Tensor | None:
    """What comes out for each element, with the axes of the input in front."""
    output = call.root(*batches_of.held(call.args), **batches_of.held(call.kwargs))
    for out in batches_of.tensors(output):
        if not out.is_floating_point() or out.dim() == 0:
            continue
        if out.shape[:2] == tensor.shape[:2] and out.dim() >= 2:
            return out
        if out.dim() == 2 and out.shape[0] == tensor.shape[0] * tensor.shape[1]:
            return out.reshape(*tensor.shape[:2], -1)
    return None


def _suspects(root: nn.Module) -> tuple[str, ...]:
    found = []
    for name, module in root.named_modules():
        if isinstance(module, nn.RNNBase) and module.bidirectional:
            found.append(f"`{name or type(module).__name__}` is bidirectional")
        elif isinstance(module, (nn.MultiheadAttention, nn.TransformerEncoder)):
            found.append(f"`{name or type(module).__name__}` needs a causal mask")
        elif isinstance(module, nn.Conv1d) and module.padding not in ((0,), "valid"):
            found.append(f"`{name or type(module).__name__}` pads at both ends")
    return tuple(found[:3])
