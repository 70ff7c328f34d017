"""Rows that a script keeps from training: `X[n:]`, where a model is trained on `X[:n]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from nnlint.static.splits import dataset_of
from nnlint.static.values import Event, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# The array, the row at which it is cut as the file has it, and whether these are the rows before it.
Part: TypeAlias = "tuple[int, str, bool]"
_FAR = 2_000


class HeldBack:
    """The parts of arrays that no forward in training is given, though it is given the rest."""

    def __init__(self, script: ScriptModel, training: Iterator[Event]) -> None:
        self._script = script
        self._used = {part for event in training for part in self._parts(event)}

    def gives(self, forward: Event) -> bool:
        """Whether a forward runs over rows that were kept from training."""
        return any(
            (base, cut, not before) in self._used and (base, cut, before) not in self._used
            for base, cut, before in self._parts(forward)
        )

    def _parts(self, forward: Event) -> Iterator[Part]:
        for value in _behind(forward):
            if value.op != "getitem" or len(value.args) < 2 or value.args[1].op != "slice":
                continue
            lower, upper, step = (None if part.is_const(None) else part for part in value.args[1].args)
            bound = lower if upper is None else upper if lower is None or lower.is_const(0) else None
            if bound is not None and bound.node is not None and step is None:
                yield id(value.args[0]), self._script.text(bound.node), bound is upper


def _behind(forward: Event) -> Iterator[Value]:
    """What a forward's input was made from, its loaders' data sets included."""
    stack = [*forward.call.args, *forward.call.kwargs.values()]
    seen: set[int] = set()
    while stack and len(seen) < _FAR:
        value = stack.pop()
        if id(value) in seen or value.kind is Kind.MODULE:
            continue
        seen.add(id(value))
        yield value
        if value.kind is Kind.LOADER:
            stack.extend(part for part in (dataset_of(value),) if part is not None)
        stack.extend(value.made_from())
