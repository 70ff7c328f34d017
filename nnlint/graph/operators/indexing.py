"""Reading by index: index, index_select, gather, embedding, masks."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnlint.graph.axes import (
    Axes,
    Axis,
    Factor,
    Value,
    align,
    carries,
    counting,
    joined,
    plain,
    plain_axis,
    size,
)
from nnlint.graph.call import UNKNOWN, Call, refs
from nnlint.graph.nodes import Ref
from nnlint.graph.operators.registry import rule


def key_of(axis: Axis) -> tuple[tuple[object, ...], ...]:
    """An axis without where it was cut."""
    return tuple(factor[:4] for factor in axis)


def whole_source(call: Call, axis: Axis) -> int | None:
    """The source that an axis numbers, position for position."""
    if len(axis) == 1 and axis[0].stride == 1 and axis[0].offset == 0 and axis[0].source is not None:
        return axis[0].source if call.flow.sources[axis[0].source].size == axis[0].size else None
    return None


def ids(call: Call, axis: Axis) -> int | None:
    """The source whose positions are those of an axis, made for it where it is not one whole source."""
    if not carries(axis):
        return None
    found = whole_source(call, axis)
    if found is not None:
        return found
    return call.source("parts", ("positions", key_of(axis)), size(axis), (axis,))


def reckoned(call: Call, index: Ref) -> bool:
    """Whether integers may be positions that were computed: `torch.arange(n) * t + lengths`.

    Which samples they lead to, each its own or another, cannot be told then.
    """
    graph, waiting, seen = call.flow.graph, [index], {index}
    while waiting:
        ref = waiting.pop()
        node, value = graph.nodes[ref.node], call.flow.at(ref)
        if value.counts or value.points is not None or node.op.startswith(("aten.arange", "aten.randperm")):
            return True
        if node.op in ("constant", "buffer", "unseen") and prod(node.shapes[ref.output]) > 1:
            return True
        for source in set(refs(node.arguments.values())) - seen:
            if "int" in graph.nodes[source.node].dtypes[source.output]:
                seen.add(source)
                waiting.append(source)
    return False


def read_at(
    call: Call, axis: Axis, ref: Ref, index: Value, shape: tuple[int, ...]
) -> tuple[Axes | None, int] | None:
    """The axes that an index of `shape` puts in the place of an axis of samples, and the bit of a mixing.

    The axes are None where the index's own axes say all. None as a whole: nothing can be said.
    """
    source = ids(call, axis)
    if index.depends:
        if isinstance(index.points, int) and index.points == source:
            return None, 0
        if index.undoes is not None and (base := _undone(call, axis, index)) is not None:
            return (base,), 0
        return None if reckoned(call, ref) else (None, call.mix("gather", [index], None, None, [axis]))
    if index.undoes is not None and (base := _undone(call, axis, index)) is not None:
        return (base,), 0
    if index.counts and (place := counting(shape)) is not None and shape[place] == size(axis):
        return tuple(axis if at == place else () for at in range(len(shape))), 0
    total = 1
    for length in shape:
        total *= length
    if total == 1:
        return None
    how = "shuffle" if call.flow.graph.nodes[index.origin[0]].op.startswith("aten.randperm") else "constant"
    number = call.source(how, (index.origin, shape, key_of(axis)), total, base=axis, index=index.origin)
    axes, stride = [], total
    for length in shape:
        stride //= length
        axes.append((Factor(length, number, stride),) if length > 1 else ())
    return tuple(axes), 0


def _undone(call: Call, axis: Axis, index: Value) -> Axis | None:
    """The axis as it was before the index was applied whose inverse this one is."""
    source = ids(call, axis)
    made = call.flow.sources[source] if source is not None else None
    return made.base if made is not None and made.index == index.undoes else None


def masked(call: Call, axes: Axes, mask: Value, length: int) -> tuple[Axis, int] | None:
    """The one axis that a mask makes of those that it covers."""
    assert mask.axes is not None
    shape = tuple(map(size, axes))
    both = align([axes, mask.axes], shape)
    mixed = 0
    for clash in both.clashes:
        mixed |= call.mix(clash.kind, [mask], None, clash.place, [axis for axis in axes if carries(axis)])
    flat = joined(factor for axis in both.axes for factor in axis)
    if len([place for place, axis in enumerate(both.axes) if carries(axis)]) > 1:
        return None
    if not carries(flat):
        return plain_axis(length), mixed
    if length < 2:
        # One row, and which sample it is of depends on the data.
        return None
    how = "data" if mask.depends else "constant"
    number = call.source(how, ("mask", mask.origin, key_of(flat)), length, base=flat)
    return (Factor(length, number),), mixed


@rule("index", "_unsafe_index", "_index", always=True)
def index(call: Call) -> Value:
    """`x[i, :, j]` with tensors: their common axes come in the place of those that they index."""
    value = call.tensor("self")
    axes = call.axes("self")
    given = [(call.flow.at(ref), ref) if isinstance(ref, Ref) else None for ref in call.arg("indices")]
    if not value.depends and not any(entry and entry[0].depends for entry in given):
        return call.plain()
    place = 0
    kept: list[tuple[int, Axis]] = []
    parts: list[Axes] = []
    spots: list[int] = []
    values: list[Value] = [value]
    shapes: list[tuple[int, ...]] = []
    mixed = 0
    number = 0
    masks: list[Axis] = []
    for entry in given:
        if entry is None:
            kept.append((place, axes[place]))
            place, number = place + 1, number + 1
            continue
        index_value, ref = entry
        spots.append(number)
        number += 1
        index_axes = index_value.axes
        assert index_axes is not None
        if call.flow.graph.nodes[ref.node].dtypes[ref.output] in ("bool", "uint8"):
            rank = len(index_axes)
            others = len(axes) - rank
            length = call.shape[0] if place == 0 else call.shape[len(kept)]
            if sum(1 for other in given if other is not None) > 1 or others < 0:
                return UNKNOWN
            found = masked(call, axes[place : place + rank], index_value, length)
            if found is None:
                return UNKNOWN
            masks.append(found[0])
            mixed |= found[1]
            values.append(index_value.with_axes(()))
            parts.append((found[0],))
            shapes.append((length,))
            place += rank
            continue
        axis = axes[place]
        shape = tuple(map(size, index_axes))
        shapes.append(shape)
        if carries(axis):
            got = read_at(call, axis, ref, index_value, shape)
            if got is None:
                return UNKNOWN
            mixed |= got[1]
            if got[0] is not None:
                parts.append(got[0])
            else:
                parts.append(index_axes)
        else:
            parts.append(index_axes)
        values.append(index_value.with_axes(()))
        place += 1
    kept += [(number, axes[number]) for number in range(place, len(axes))]
    rank = max(len(shape) for shape in shapes)
    adjacent = spots == list(range(spots[0], spots[0] + len(spots)))
    before = sum(1 for number, _ in kept if number < spots[0]) if adjacent else 0
    common_shape = call.shape[before : before + rank]
    both = align(parts, common_shape)
    for clash in both.clashes:
        bit = _index_clash(call, parts, clash.place or 0, rank, values, clash.kind)
        if bit is None:
            return UNKNOWN
        mixed |= bit
    rest = [axis for _, axis in kept]
    result: Axes = (*rest[:before], *both.axes, *rest[before:])
    if any(map(carries, rest)) and any(map(carries, both.axes)):
        call.meeting("index", result)
    made = call.combine(values, result, mixed)
    # Positions read at positions of the same sample are positions of that sample still.
    own = isinstance(value.points, int) and not mixed
    return replace(made, points=value.points) if own else made


def _index_clash(
    call: Call, parts: list[Axes], place: int, rank: int, values: list[Value], kind: str
) -> int | None:
    sides = [axes[at] for axes in parts if (at := place - (rank - len(axes))) >= 0 and carries(axes[at])]
    hows = {
        call.flow.sources[factor.source].how for axis in sides for factor in axis if factor.source is not None
    }
    if hows & {"constant", "data"}:
        return None
    return call.mix(kind, values, "self", place, sides)


@rule("index_select", always=True)
def index_select(call: Call) -> Value:
    """Positions of one axis."""
    value, chosen = call.tensor("self"), call.tensor("index")
    axes = list(call.axes("self"))
    if not axes:
        return value
    place = call.axis(value, call.arg("dim"))
    mixed = 0
    found = call.axes("index")[0] if call.axes("index") else ()
    if carries(axes[place]):
        got = read_at(call, axes[place], call.arg("index"), chosen, call.shape_of("index"))
        if got is None:
            return UNKNOWN
        mixed = got[1]
        if got[0] is not None:
            found = got[0][0]
    elif not chosen.depends:
        return value.with_axes((*axes[:place], plain_axis(call.shape[place]), *axes[place + 1 :]))
    result = (*axes[:place], found, *axes[place + 1 :])
    if carries(found) and any(carries(axis) for number, axis in enumerate(axes) if number != place):
        call.meeting("index", result)
    # Positions read at positions of the same sample are positions of that sample still.
    points = value.points if isinstance(value.points, int) and not mixed else None
    made = call.combine([value, chosen.with_axes(())], result, mixed)
    return Value(made.axes, made.pinned, made.mixed, True, made.learned, points)


@rule("gather", "take_along_dim")
def gather(call: Call) -> Value:
    """Along one axis as the index says, elementwise along the others."""
    value, chosen = call.tensor("self"), call.tensor("index", "indices")
    axes = list(call.axes("self"))
    place = call.axis(value, call.arg("dim"))
    mixed = 0
    if carries(axes[place]):
        own = isinstance(chosen.points, int) and chosen.points == ids(call, axes[place])
        if not own:
            if not chosen.depends or reckoned(call, call.arg("index", "indices")):
                return UNKNOWN
            mixed = call.mix("gather", [value, chosen], "self", place, [axes[place]])
    axes[place] = ()
    shrunk = tuple(
        axis
        if size(axis) == length or not carries(axis)
        else (axis[0]._replace(size=length),)
        if len(axis) == 1
        else ()
        for axis, length in zip(axes, call.shape, strict=True)
    )
    if any(carries(before) and not carries(after) for before, after in zip(axes, shrunk, strict=True)):
        return UNKNOWN
    return _with(call, call.pointwise([value.with_axes(shrunk), chosen], call.shape, "index"), mixed)


def _with(call: Call, value: Value, mixed: int) -> Value:
    return call.combine([value], value.axes, mixed) if value.known else value


@rule("take")
def take(call: Call) -> Value:
    """From all elements in one row."""
    value, chosen = call.tensor("self"), call.tensor("index")
    if not value.follows:
        return call.combine([value, chosen], chosen.axes)
    if not chosen.depends or reckoned(call, call.arg("index")):
        return UNKNOWN
    mixed = call.mix("gather", [value, chosen], "self", value.places()[0], call.axes("self"))
    return call.combine([value, chosen], chosen.axes, mixed)


@rule("embedding")
def embedding(call: Call) -> Value:
    """A row of the weights for each index."""
    weight, chosen = call.tensor("weight"), call.tensor("indices")
    if weight.follows:
        raise LookupError("weights that depend on the samples")
    return call.combine([weight, chosen], (*call.axes("indices"), *plain(call.shape[-1:])))


@rule("_embedding_bag", "embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(call: Call) -> tuple[Value, ...]:
    """Sums of rows; each sample's indices lie between two offsets, or are a row."""
    chosen, offsets = call.tensor("indices"), call.tensor("offsets")
    values = [call.tensor("weight"), offsets]
    found = call.axes("offsets")[0] if call.axes("offsets") else ()
    # A flat list cut by offsets: which index is of which sample stands in their numbers.
    if carries(found) and not chosen.follows:
        return (UNKNOWN,) * len(call.node.shapes)
    axis = call.axes("indices")[0]
    if chosen.follows:
        rows = [factor for factor in axis if factor.source is not None]
        bags = call.shape[0]
        if not (len(axis) >= 1 and axis[0] in rows and axis[0].size == bags) or offsets.depends:
            return (UNKNOWN,) * len(call.node.shapes)
        found = (axis[0],)
    result = call.combine([*values, chosen.with_axes(())], (found, *plain(call.shape[1:])))
    return (result, *(UNKNOWN for _ in call.node.shapes[1:]))


@rule("masked_select")
def masked_select(call: Call) -> Value:
    """The elements where a mask is true, in one axis."""
    value, mask = call.tensor("self"), call.tensor("mask")
    shape = tuple(max(pair) for pair in zip(call.shape_of("self"), call.shape_of("mask"), strict=True))
    both = call.pointwise([value, mask], shape)
    if both.axes is None:
        return both
    found = masked(call, both.axes, mask, call.shape[0])
    return (
        UNKNOWN if found is None else call.combine([both.with_axes(())], (found[0],), found[1] | both.mixed)
    )


@rule("nonzero", "nonzero_numpy", "nonzero_static", "argwhere")
def nonzero(call: Call) -> tuple[Value, ...]:
    """The positions that are not zero: as many columns as there are axes."""
    value = call.tensor("self")
    axes = call.axes("self")
    flat = joined(factor for axis in axes for factor in axis)
    if len(value.places()) > 1 or call.name == "nonzero_static" or call.shape[0] < 2:
        return (UNKNOWN,) * len(call.node.shapes)
    length = call.shape[0]
    number = call.source("data", ("mask", value.origin, key_of(flat)), length, base=flat)
    row: Axis = (Factor(length, number),)
    points = tuple(ids(call, axis) for axis in axes)
    if len(call.node.shapes) > 1:
        return tuple(
            Value(
                (row,), value.pinned, value.mixed, True, value.learned, point, origin=(call.index, 1000 + at)
            )
            for at, point in enumerate(points)
        )
    columns = (row, *plain(call.shape[1:]))
    return (Value(columns, value.pinned, value.mixed, True, value.learned, points),)
