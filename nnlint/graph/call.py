"""One operation of a recorded step as its transfer rule sees it, and what a rule may note about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnlint.graph.axes import Axes, Axis, Clash, Value, align, carries, plain, size
from nnlint.graph.nodes import Argument, Ref

if TYPE_CHECKING:
    from nnlint.graph.flow import Flow

UNKNOWN = Value(None, known=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A map from positions to samples.

    `how`: "batch" (position i is sample i), "ragged" (nodes or edges of the batch's graphs, each of one
    sample),
    "shuffle" (in random order), "constant" (by an index that is not known), "data" (which position
    belongs to which sample depends on the data), "packed" (rows of a packed sequence, as the lengths have
    it),
    "parts" (`parts`, one after the other). `base` is the axis that was read by the index whose numbers are of
    the node and output `index`. `rows`: how many rows each step of a packed sequence has, () where that is
    not known; they are of the first samples along `base`.
    """

    size: int
    how: str
    node: int
    parts: tuple[Axis, ...] = ()
    base: Axis | None = None
    index: tuple[int, int] | None = None
    rows: tuple[int, ...] = ()

    @property
    def told(self) -> bool:
        """Whether which sample a position belongs to is the same whatever the samples hold."""
        return self.how not in ("data", "packed")


@dataclass(frozen=True, slots=True)
class Mixing:
    """An operation at which the value of one sample reaches others.

    `kind` says how: "reduction", "softmax", "contraction", "attention", "recurrence", "scan",
    "convolution", "normalisation", "regroup", "selection", "permuted", "interleaved", "gather",
    "scatter", "sort", "transform", "batch statistics". `argument` is the value in which the samples stood
    side by side, along `place`. `cut` is the view that had split the batch axis before (-1: none).
    `context`: meant to mix, as batch norm and mixup are. `learned`: a parameter is behind it. `after` has
    a bit for every mixing behind its arguments.
    """

    node: int
    kind: str
    argument: Ref | None
    place: int | None
    cut: int
    context: bool
    learned: bool
    after: int


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two batch axes in one result: each of its elements depends on two samples.

    `sides`: the arguments that brought them. `kind`: "broadcast", "product" or "index".
    """

    node: int
    kind: str
    places: tuple[int, ...]
    sides: tuple[Ref | None, ...]


class Call:
    """One operation as a transfer rule sees it."""

    __slots__ = ("flow", "index", "name", "node")

    def __init__(self, flow: Flow, index: int, name: str) -> None:
        self.flow = flow
        self.index = index
        self.node = flow.graph.nodes[index]
        self.name = name

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the first output."""
        return self.node.shapes[0] if self.node.shapes else ()

    def arg(self, *names: str) -> Any:
        """The first of the arguments that the operator has, as it was given."""
        for name in names:
            if name in self.node.arguments:
                return self.node.arguments[name]
        return None

    def value(self, *names: str) -> Value | None:
        """A tensor argument; None if it was not given."""
        given = self.arg(*names)
        return self.flow.at(given) if isinstance(given, Ref) else None

    def tensor(self, *names: str) -> Value:
        """A tensor argument that must be there."""
        found = self.value(*names)
        if found is None or found.axes is None:
            raise LookupError(names[0])
        return found

    def axes(self, *names: str) -> Axes:
        """Those of a tensor argument that must be there."""
        axes = self.tensor(*names).axes
        assert axes is not None
        return axes

    def shape_of(self, *names: str) -> tuple[int, ...]:
        """The shape of a tensor argument; () if it was not given."""
        given = self.arg(*names)
        return self.flow.shape_of(given) if isinstance(given, Ref) else ()

    def refs(self) -> list[Ref]:
        """All tensor arguments."""
        return list(refs(self.node.arguments.values()))

    def given(self) -> list[Value]:
        """The values of all tensor arguments."""
        return [self.flow.at(ref) for ref in self.refs()]

    def axis(self, value: Value, place: int) -> int:
        """An axis number counted from the front."""
        return place % max(len(value.axes or ()), 1)

    def plain(self, shape: Sequence[int] | None = None, values: Iterable[Value] | None = None) -> Value:
        """A value that depends on no sample."""
        learned = any(value.learned for value in (self.given() if values is None else values))
        return Value(plain(self.shape if shape is None else shape), learned=learned)

    def mix(
        self,
        kind: str,
        values: Iterable[Value],
        argument: str | Ref | None = None,
        place: int | None = None,
        axes: Iterable[Axis] = (),
        context: bool = False,
    ) -> int:
        """A mixing here; its bit. `axes` are those whose samples it mixes."""
        values = list(values)
        given = self.arg(argument) if isinstance(argument, str) else argument
        after = 0
        for value in values:
            after |= value.mixed
        cuts = [factor.cut for axis in axes for factor in axis if factor.source is not None]
        whole = all(factor.stride == 1 for axis in axes for factor in axis if factor.source is not None)
        learned = any(value.learned for value in values)
        return self.flow.mixing(
            Mixing(
                self.index,
                kind,
                given if isinstance(given, Ref) else None,
                place,
                -1 if whole and all(self.flow.whole(axis) for axis in axes) else max(cuts, default=-1),
                context,
                learned,
                after,
            )
        )

    def combine(self, values: Sequence[Value], axes: Axes | None, mixed: int = 0) -> Value:
        """A result whose every element depends on all of `values`: their pins, mixings and parameters."""
        pins: frozenset[tuple[int, int]] = frozenset()
        longest = 0
        learned = False
        for value in values:
            mixed |= value.mixed
            learned = learned or value.learned
            if value.pinned:
                pins |= value.pinned
                longest = max(longest, len(value.pinned))
        if pins:
            follows = axes is not None and any(carries(axis) for axis in axes)
            had = any(value.pinned == pins and value.follows for value in values)
            if len(pins) > longest or (follows and not had):
                argument = next(
                    (
                        ref
                        for ref in self.refs()
                        if self.flow.at(ref).pinned and self.flow.at(ref).axes is not None
                    ),
                    None,
                )
                mixed |= self.flow.repeated("selection", self.node, mixed) or self.mix(
                    "selection", values, argument
                )
                fresh = [value.pinned for value in values if value.pinned and not value.mixed]
                pins = frozenset() if follows else (fresh[-1] if fresh else frozenset({max(pins)}))
        return Value(axes, pins, mixed, True, learned)

    def pointwise(
        self, values: Sequence[Value], shape: Sequence[int] | None = None, kind: str = "broadcast"
    ) -> Value:
        """The result of an operation on corresponding elements, with broadcasting."""
        shape = self.shape if shape is None else shape
        operands = [value.axes for value in values if value.axes is not None]
        if (
            len(operands) == 1
            and len(operands[0]) == len(shape)
            and tuple(map(size, operands[0])) == tuple(shape)
        ):
            return self.combine(values, operands[0])
        aligned = align(operands, shape)
        mixed = 0
        for clash in aligned.clashes:
            bit = self.clash(clash, values)
            if bit is None:
                return UNKNOWN
            mixed |= bit
        if len(aligned.meets) > 1:
            self.meeting(kind, aligned.axes)
        return self.combine(values, aligned.axes, mixed)

    def clash(self, clash: Clash, values: Sequence[Value]) -> int | None:
        """The mixing of samples that stand in one place; None where they may be the same ones."""
        sources: set[int] = set()
        place = clash.place
        sides: list[Axis] = []
        for value in values:
            if value.axes is None or place is None:
                continue
            at = place - (len(self.shape) - len(value.axes))
            if at >= 0 and carries(value.axes[at]):
                sides.append(value.axes[at])
                sources |= {factor.source for factor in value.axes[at] if factor.source is not None}
        hows = {self.flow.sources[source].how for source in sources}
        if "constant" in hows or ("data" in hows and "shuffle" not in hows):
            return None
        learned = any(value.learned for value in values)
        context = "shuffle" in hows or (clash.kind == "permuted" and not learned)
        argument = next((ref for ref in self.refs() if self.flow.at(ref).follows), None)
        return self.mix(clash.kind, values, argument, place, sides, context)

    def meeting(self, kind: str, axes: Axes) -> None:
        """Note that two batch axes meet, unless one operand had both already."""
        places = tuple(place for place, axis in enumerate(axes) if carries(axis))
        rank = len(axes)
        sides: list[Ref | None] = []
        for ref in self.refs():
            value = self.flow.at(ref)
            held = {place + rank - len(value.axes or ()) for place in value.places()}
            if held >= set(places):
                return
            if held:
                sides.append(ref)
        self.flow.meetings.append(Meeting(self.index, kind, places, tuple(sides)))

    def source(
        self,
        how: str,
        key: tuple[Any, ...],
        length: int,
        parts: tuple[Axis, ...] = (),
        base: Axis | None = None,
        index: tuple[int, int] | None = None,
        rows: tuple[int, ...] = (),
    ) -> int:
        """The number of a source; the same key gives the same one."""
        return self.flow.source(Source(length, how, self.index, parts, base, index, rows), key)


def refs(arguments: Iterable[Argument]) -> Iterable[Ref]:
    for argument in arguments:
        if isinstance(argument, Ref):
            yield argument
        elif isinstance(argument, tuple):
            yield from refs(argument)
