"""What data and figures were made from, in-place writes (`df["x"] = …`, `hits[c] += …`) included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from nnlint.static.values import Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

_FAR = 4_000
# What takes no part in the data: what is called on the way.
_TOOLS = (Kind.MODULE, Kind.OPTIMIZER, Kind.FUNCTION)


class Lineage:
    """The makings of one script's values."""

    def __init__(self, script: ScriptModel) -> None:
        self._written: dict[int, list[Fact]] = {}
        for fact in script.facts:
            if fact.kind != "subscript" or fact.owner is None:
                continue
            owner = fact.owner
            if owner.op == "getattr" and owner.const in {"loc", "iloc", "values"} and owner.args:
                owner = owner.args[0]
            for part in owner.alternatives():
                self._written.setdefault(id(part), []).append(fact)

    def behind(
        self, value: Value, time: float = float("inf"), stop: Callable[[Value], bool] | None = None
    ) -> Iterator[Value]:
        """The value and everything that it was made from until `time`, nearest first."""
        seen: set[int] = set()
        level = [value]
        while level and len(seen) < _FAR:
            below: list[Value] = []
            for current in level:
                if id(current) in seen:
                    continue
                seen.add(id(current))
                yield current
                if stop is not None and stop(current):
                    continue
                below.extend(current.made_from())
                if current.receiver is not None and current.receiver.kind not in _TOOLS:
                    below.append(current.receiver)
                if current.kind in (Kind.DATASET, Kind.INSTANCE):
                    below.extend(current.attrs.values())
                below.extend(fact.value for fact in self._written.get(id(current), ()) if fact.time < time)
            level = below

    def reaches(self, value: Value, wanted: list[Value], time: float) -> bool:
        """Whether a value was made, by `time`, from one of the wanted ones."""
        targets = {id(part) for part in wanted}
        return any(id(part) in targets for part in self.behind(value, time))


def visit(ends: Iterable[Value], stop: Callable[[Value], bool] | None = None) -> Iterator[Value]:
    """Everything that some values were computed from, each once."""
    seen: set[int] = set()
    stack = list(ends)
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if stop is not None and stop(value):
            continue
        stack.extend(value.made_from())


def reachable(ends: Iterable[Value]) -> set[int]:
    """The ids of all these."""
    return {id(value) for value in visit(ends)}
