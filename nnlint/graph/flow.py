"""The batch axis followed through a recorded step, operator by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from nnlint.capture.plan import Place
from nnlint.graph.axes import Axis, Value, plain, size
from nnlint.graph.call import UNKNOWN, Call, Meeting, Mixing, Source, refs
from nnlint.graph.nodes import Graph, Node, Ref
from nnlint.graph.starts import start


class Flow:
    """A graph with the value of every output; the order of `values` is that of the nodes."""

    def __init__(self, graph: Graph) -> None:
        from nnlint.graph import operators

        self.graph = graph
        self.values: list[tuple[Value, ...]] = []
        self.mixings: list[Mixing] = []
        self.meetings: list[Meeting] = []
        self.sources: list[Source] = [Source(graph.batch, "batch", -1)]
        self.unknown: Counter[str] = Counter()
        # Nodes through which a value left the tensors: Python may have gone on with it.
        self.escapes: list[int] = []
        self._keys: dict[tuple[Any, ...], int] = {}
        self._noted: dict[Mixing, int] = {}
        # The bits of all mixings of a kind on a line.
        self._alike: dict[tuple[str, Place | None], int] = {}
        starts = start(self)
        for index, node in enumerate(graph.nodes):
            self.values.append(starts.get(index) or self._value(index, node, operators))

    def at(self, ref: Ref) -> Value:
        """What is known of one output."""
        outputs = self.values[ref.node]
        return outputs[ref.output] if ref.output < len(outputs) else UNKNOWN

    def shape_of(self, ref: Ref) -> tuple[int, ...]:
        """The shape of one output."""
        shapes = self.graph.nodes[ref.node].shapes
        return shapes[ref.output] if ref.output < len(shapes) else ()

    def whole(self, axis: Axis) -> bool:
        """Whether the sample numbers along an axis are all of their source's, in one factor."""
        numbers = [factor for factor in axis if factor.source is not None]
        return all(factor.size == self.sources[factor.source or 0].size for factor in numbers)

    def mixing(self, mixing: Mixing) -> int:
        """Note a mixing; its bit."""
        if mixing not in self._noted:
            self._noted[mixing] = len(self.mixings)
            self.mixings.append(mixing)
            alike = mixing.kind, self.graph.nodes[mixing.node].place
            self._alike[alike] = self._alike.get(alike, 0) | 1 << self._noted[mixing]
        return 1 << self._noted[mixing]

    def repeated(self, kind: str, node: Node, mixed: int) -> int:
        """The bits of those behind a value that are of a kind and of the same line: a loop goes on."""
        return mixed & self._alike.get((kind, node.place), 0)

    def source(self, source: Source, key: tuple[Any, ...]) -> int:
        """The number of a source; the same key gives the same one."""
        key = (source.how, *key)
        if key not in self._keys:
            self._keys[key] = len(self.sources)
            self.sources.append(source)
        return self._keys[key]

    def _value(self, index: int, node: Node, operators: Any) -> tuple[Value, ...]:
        shapes = node.shapes
        if node.op in ("parameter", "buffer", "constant", "input"):
            learned = node.op == "parameter"
            return tuple(
                Value(plain(shape), learned=learned, origin=(index, number))
                for number, shape in enumerate(shapes)
            )
        read = list(refs(node.arguments.values()))
        given = [self.at(ref) for ref in read]
        depends = any(value.depends for value in given)
        name = operators.name_of(node.op)
        found = operators.rule_for(name)
        if node.op == "unseen" and (depends or not read):
            return (UNKNOWN,) * len(shapes)
        if not depends and (found is None or not found.always):
            learned = any(value.learned for value in given)
            return tuple(
                Value(plain(shape), learned=learned, origin=(index, number))
                for number, shape in enumerate(shapes)
            )
        if found is None:
            if shapes:
                self.unknown[name] += 1
            else:
                self.escapes.append(index)
            return (UNKNOWN,) * len(shapes)
        if not found.fresh:
            if any(not value.known for value in given):
                return (UNKNOWN,) * len(shapes)
            if any(value.axes is None for value in given):
                return self._lost(given, len(shapes))
        if not shapes or name in operators.ESCAPES:
            self.escapes.append(index)
        try:
            results = found.function(Call(self, index, name))
        except (LookupError, TypeError, ValueError, AttributeError, ZeroDivisionError, AssertionError):
            # Arguments in a form that no rule was written for.
            self.unknown[name] += 1
            return (UNKNOWN,) * len(shapes)
        outputs = results if isinstance(results, tuple) else (results,)
        return tuple(
            self._checked(
                outputs[number] if number < len(outputs) else outputs[0], shape, index, number, name
            )
            for number, shape in enumerate(shapes)
        )

    def _checked(self, value: Value, shape: tuple[int, ...], index: int, number: int, name: str) -> Value:
        """A value whose axes fit the shape; anything else is not known."""
        if value.known and value.axes is not None:
            axes = value.axes
            if len(axes) != len(shape) or any(
                size(axis) != length for axis, length in zip(axes, shape, strict=True)
            ):
                if value.follows or value.pinned or value.mixed:
                    self.unknown[name] += 1
                    return UNKNOWN
                value = value.with_axes(plain(shape))
        if value.origin == (-1, 0):
            return replace(value, origin=(index, number))
        return value

    def _lost(self, given: Iterable[Value], outputs: int) -> tuple[Value, ...]:
        mixed = 0
        learned = False
        for value in given:
            mixed |= value.mixed
            learned = learned or value.learned
        return (Value(None, mixed=mixed, learned=learned),) * outputs
