"""Writing by index: scatter, index_add, index_put, masked_scatter."""

from __future__ import annotations

from nnlint.graph.axes import Axes, Axis, Factor, Value, align, carries, plain_axis, same, size
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.nodes import Ref
from nnlint.graph.operators.indexing import ids, masked, reckoned
from nnlint.graph.operators.registry import rule


def landing(
    call: Call, ref: Ref, index: Value, written: Axis, target: Axis, length: int
) -> tuple[Axis, int] | None:
    """The axis that comes of writing `written` at the positions `index`, and the bit of a mixing."""
    points = index.points if carries(written) or not index.depends else None
    if isinstance(points, int) and call.flow.sources[points].size == length:
        return _numbered(call, points), 0
    if not carries(written):
        return (target if carries(target) else plain_axis(length)), 0
    if index.counts and size(written) == length:
        return written, 0
    if index.depends:
        if reckoned(call, ref):
            return None
        return plain_axis(length), call.mix("scatter", [index], None, None, [written])
    entry = next((call.flow.sources[factor.source] for factor in written if factor.source is not None), None)
    if (
        entry is not None
        and entry.index == index.origin
        and entry.base is not None
        and size(entry.base) == length
    ):
        # Written back to where it was read.
        return entry.base, 0
    return None


def _numbered(call: Call, number: int) -> Axis:
    """The axis whose positions are those of a source."""
    source = call.flow.sources[number]
    if source.how == "parts" and len(source.parts) == 1:
        return source.parts[0]
    return (Factor(source.size, number),) if source.size > 1 else ()


@rule("scatter", "scatter_add", "scatter_reduce", "_scatter_reduce", always=True)
def scatter(call: Call) -> Value:
    """Along one axis to where the index says, elementwise along the others."""
    value, chosen = call.tensor("self"), call.tensor("index")
    source = call.value("src")
    axes, at = list(call.axes("self")), list(call.axes("index"))
    if not axes:
        return call.combine(call.given(), ())
    place = call.axis(value, call.arg("dim"))
    written: Axes = tuple(at)
    values = [chosen]
    if source is not None and source.axes is not None:
        values.append(source)
        shape = call.shape_of("index")
        cut = tuple(
            axis if size(axis) == length else () for axis, length in zip(source.axes, shape, strict=True)
        )
        if any(
            carries(before) and not carries(after) for before, after in zip(source.axes, cut, strict=True)
        ):
            return UNKNOWN
        both = call.pointwise([chosen, source.with_axes(cut)], shape)
        if both.axes is None:
            return UNKNOWN
        written, values = both.axes, [both]
        if len(axes) == 1 and source.counts and (chosen.points is not None or not chosen.depends):
            return _inverse(call, chosen, at[0], call.shape[0])
    if not value.depends and not any(entry.depends for entry in values):
        return call.plain()
    got = landing(call, call.arg("index"), chosen, written[place], axes[place], call.shape[place])
    if got is None:
        return UNKNOWN
    axis, mixed = got
    if carries(axes[place]) and not same(axes[place], axis):
        return UNKNOWN
    rest = tuple(() if number == place else entry for number, entry in enumerate(axes))
    other = tuple(() if number == place else entry for number, entry in enumerate(written))
    shape = tuple(1 if number == place else length for number, length in enumerate(call.shape))
    if any(carries(entry) and size(entry) != length for entry, length in zip(other, shape, strict=True)):
        return UNKNOWN
    merged = call.pointwise([value.with_axes(rest), *[entry.with_axes(other) for entry in values]], shape)
    if merged.axes is None:
        return merged
    return call.combine([merged], (*merged.axes[:place], axis, *merged.axes[place + 1 :]), mixed)


def _inverse(call: Call, index: Value, axis: Axis, length: int) -> Value:
    """0, 1, 2 … written at the positions of an index: the order that undoes it."""
    if isinstance(index.points, int) and call.flow.sources[index.points].size == length:
        source = ids(call, axis)
        return Value(
            (_numbered(call, index.points),),
            index.pinned,
            index.mixed,
            True,
            False,
            source,
            undoes=index.origin,
        )
    return Value((plain_axis(length),), undoes=index.origin)


@rule("index_add", "index_copy", "index_fill", "index_reduce", "segment_reduce", "_segment_reduce")
def index_add(call: Call) -> Value:
    """Slices of one axis to where the index says."""
    if "segment" in call.name:
        return UNKNOWN
    value, chosen = call.tensor("self"), call.tensor("index")
    source = call.value("source", "value", "src")
    axes = list(call.axes("self"))
    place = call.axis(value, call.arg("dim"))
    at = call.axes("index")[0] if call.axes("index") else ()
    if source is None or source.axes is None or len(source.axes) != len(axes):
        # One number, or one for all, in each of the places.
        extra = [] if source is None else [source]
        got = landing(call, call.arg("index"), chosen, at, axes[place], call.shape[place])
        if got is None or (carries(axes[place]) and not same(axes[place], got[0])):
            return UNKNOWN
        axes[place] = got[0]
        return call.combine([value, chosen.with_axes(()), *extra], tuple(axes), got[1])
    both = align([(at,), (source.axes[place],)], (size(source.axes[place]),))
    mixed = 0
    for clash in both.clashes:
        bit = call.clash(clash._replace(place=None), [chosen, source])
        if bit is None:
            return UNKNOWN
        mixed |= bit
    got = landing(call, call.arg("index"), chosen, both.axes[0], axes[place], call.shape[place])
    if got is None:
        return UNKNOWN
    axis = got[0]
    mixed |= got[1]
    if carries(axes[place]) and not same(axes[place], axis):
        return UNKNOWN
    shape = tuple(1 if number == place else length for number, length in enumerate(call.shape))
    rest = tuple(() if number == place else entry for number, entry in enumerate(axes))
    other = tuple(() if number == place else entry for number, entry in enumerate(source.axes))
    merged = call.pointwise([value.with_axes(rest), source.with_axes(other), chosen.with_axes(())], shape)
    if merged.axes is None:
        return merged
    return call.combine([merged], (*merged.axes[:place], axis, *merged.axes[place + 1 :]), mixed)


@rule("index_put", "_unsafe_index_put", "_index_put_impl")
def index_put(call: Call) -> Value:
    """`x[i, j] = y` with tensors, or with a mask."""
    value, new = call.tensor("self"), call.tensor("values")
    axes = call.axes("self")
    given = call.arg("indices")
    chosen = [(ref, call.flow.at(ref)) for ref in given if isinstance(ref, Ref)]
    dtypes = [call.flow.graph.nodes[ref.node].dtypes[ref.output] for ref, _ in chosen]
    if len(chosen) == 1 and dtypes[0] in ("bool", "uint8"):
        place = next(number for number, ref in enumerate(given) if isinstance(ref, Ref))
        return _masked_put(call, value, chosen[0][1], new, place)
    if not new.follows and not any(entry.depends for _, entry in chosen) and not any(map(carries, axes)):
        return call.combine([value, new], axes)
    if len(chosen) == 1 and "bool" not in dtypes:
        place = next(number for number, ref in enumerate(given) if isinstance(ref, Ref))
        ref, index = chosen[0]
        counted = new.counts and len(axes) == 1 and call.shape_of("values") == call.shape
        if counted and index.axes is not None and (index.points is not None or not index.depends):
            return _inverse(call, index, index.axes[0], call.shape[0])
        if (
            index.axes is not None
            and len(index.axes) == 1
            and new.axes is not None
            and len(new.axes) == len(axes)
        ):
            got = landing(
                call,
                ref,
                index,
                new.axes[place] if carries(new.axes[place]) else index.axes[0],
                axes[place],
                call.shape[place],
            )
            if got is None:
                return UNKNOWN
            if carries(axes[place]) and not same(axes[place], got[0]):
                return UNKNOWN
            rest = tuple(() if number == place else entry for number, entry in enumerate(axes))
            other = tuple(() if number == place else entry for number, entry in enumerate(new.axes))
            shape = tuple(1 if number == place else length for number, length in enumerate(call.shape))
            merged = call.pointwise([value.with_axes(rest), new.with_axes(other), index.with_axes(())], shape)
            if merged.axes is None:
                return merged
            return call.combine([merged], (*merged.axes[:place], got[0], *merged.axes[place + 1 :]), got[1])
    return _several(call, value, new, chosen, axes)


def _several(call: Call, value: Value, new: Value, chosen: list[tuple[Ref, Value]], axes: Axes) -> Value:
    """`x[arange(N), labels] = 1`: each sample's position in its own row."""
    first = chosen[0][1]
    whole = call.shape[0] if call.shape else 1
    own = first.counts or (
        isinstance(first.points, int) and carries(axes[0]) and first.points == ids(call, axes[0])
    )
    if not own or len(chosen) != len(call.arg("indices")) or (new.follows and len(new.axes or ()) != 1):
        return UNKNOWN
    rows = [entry.axes[0] for _, entry in chosen if entry.axes and carries(entry.axes[0])]
    rows += [new.axes[0]] if new.axes and carries(new.axes[0]) else []
    rows += [axes[0]] if carries(axes[0]) else []
    if any(size(row) != whole or not same(row, rows[0]) for row in rows) or any(
        carries(axis) for axis in axes[1:]
    ):
        return UNKNOWN
    rest = [entry.with_axes(()) for _, entry in chosen]
    return call.combine([value, new, *rest], (rows[0] if rows else axes[0], *axes[1:]))


def _masked_put(call: Call, value: Value, mask: Value, new: Value, place: int) -> Value:
    """What a mask covers is replaced, by one number or by what a mask had picked."""
    axes = call.axes("self")
    assert mask.axes is not None
    rank = len(mask.axes)
    lifted = ((),) * place + mask.axes + ((),) * (len(axes) - place - rank)
    if not new.follows:
        return call.pointwise([value, mask.with_axes(lifted), new.with_axes(())])
    assert new.axes is not None
    both = align([axes[place : place + rank], mask.axes], call.shape[place : place + rank])
    row = new.axes[place] if len(new.axes) > place else ()
    found = masked(call, both.axes, mask, size(row))
    if both.clashes or found is None or not same(found[0], row):
        return UNKNOWN
    other = new.axes[:place] + ((),) * rank + new.axes[place + 1 :]
    return call.pointwise([value, mask.with_axes(lifted), new.with_axes(other)])


@rule("masked_scatter")
def masked_scatter(call: Call) -> Value:
    """The elements of a row, one after the other, to where a mask is true."""
    value, mask, source = call.tensor("self"), call.tensor("mask"), call.tensor("source")
    if not source.follows:
        if mask.depends and source.axes and any(source.axes):
            # How many came before says which element is next: other samples' masks do.
            return UNKNOWN
        return call.pointwise([value, mask, source.with_axes(())])
    return UNKNOWN
