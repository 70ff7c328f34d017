"""Calls the models once more, in the end, with one argument the same for all samples."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnlint.capture import batch as batches_of
from nnlint.capture import picks
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.arguments import Arguments, Ignored

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner

_ROOTS = 4
# Larger arguments are not copied (elements).
_MOST = 1 << 22
# Whether an argument counts may be left to chance (teacher forcing, guidance without a condition).
_SEEDS = range(1, 7)


@dataclass(slots=True)
class _Call:
    place: Place | None
    args: Any
    kwargs: Any


class ArgumentsMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._calls: dict[nn.Module, _Call] = {}

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        if root not in self._calls and len(self._calls) < _ROOTS and torch.is_grad_enabled():
            tensors = list(batches_of.tensors((args, kwargs)))
            # Held at the first call only: the model is what changes.
            if len(tensors) > 1 and sum(tensor.numel() for tensor in tensors) <= _MOST:
                held = batches_of.held((args, kwargs))
                self._calls[root] = _Call(user_place(), *held)

    def result(self) -> Arguments:
        found: list[Ignored] = []
        for root, call in self._calls.items():
            found += _ignored(root, call)
        return Arguments(len(self.runner.steps), tuple(found))


def _ignored(root: nn.Module, call: _Call) -> Iterator[Ignored]:
    """What the root's results do not depend on, if they can be told to depend on anything."""
    samples = picks.count(call.args) or picks.count(call.kwargs)
    before = _called(root, call, 0)
    if samples < 2 or before is None or not _same(before, _called(root, call, 0)):
        return
    heeded = ""
    ignored: list[tuple[str, torch.Tensor]] = []
    for name, key, value in _named(root, call):
        # All samples have what the first one has: an order would not matter to a sum over them.
        other = picks.pick(value, torch.zeros(samples, dtype=torch.long), samples)
        if picks.axis(value, samples) is None or torch.equal(value, other):
            continue
        changed = _with(call, key, other)
        if _same(before, _called(root, changed, 0)) and all(
            _same(_called(root, call, seed), _called(root, changed, seed)) for seed in _SEEDS
        ):
            ignored.append((name, value))
        else:
            heeded = heeded or name
    for name, value in ignored if heeded else ():
        yield Ignored(type(root).__name__, call.place, name, tuple(value.shape), heeded)


def _named(root: nn.Module, call: _Call) -> Iterator[tuple[str, int | str, torch.Tensor]]:
    """The tensors among the arguments, with the names that the forward gives them."""
    try:
        parameters = list(inspect.signature(root.forward).parameters.values())
    except (TypeError, ValueError):
        return
    for at, value in enumerate(call.args):
        if isinstance(value, torch.Tensor) and at < len(parameters):
            if parameters[at].kind is inspect.Parameter.VAR_POSITIONAL:
                return
            yield parameters[at].name, at, value
    for name, value in call.kwargs.items():
        if isinstance(value, torch.Tensor):
            yield name, name, value


def _with(call: _Call, key: int | str, value: torch.Tensor) -> _Call:
    if isinstance(key, int):
        return _Call(call.place, (*call.args[:key], value, *call.args[key + 1 :]), call.kwargs)
    return _Call(call.place, call.args, {**call.kwargs, key: value})


def _called(root: nn.Module, call: _Call, seed: int) -> list[torch.Tensor] | None:
    """The tensors of the result, from that random state; None if it cannot be called again."""
    torch.manual_seed(seed)
    random.seed(seed)
    try:
        with torch.no_grad():
            output = root(*batches_of.held(call.args), **batches_of.held(call.kwargs))
    except Exception:
        # A model may need what only the script's own loop gives it.
        return None
    found = [tensor.detach().clone() for tensor in batches_of.tensors(output)]
    return found or None


def _same(one: list[torch.Tensor] | None, other: list[torch.Tensor] | None) -> bool:
    return (
        one is not None and other is not None and len(one) == len(other) and all(map(torch.equal, one, other))
    )
