"""Operators that look at the same numbers with other axes."""

from __future__ import annotations

from math import prod

from nnlint.graph import packed
from nnlint.graph.axes import (
    Axis,
    Factor,
    Value,
    carries,
    plain,
    plain_axis,
    regroup,
    same,
    size,
    sliced,
)
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.registry import rule


@rule(
    "view", "reshape", "_unsafe_view", "_reshape_alias", "unflatten", "flatten", "view_copy",
    "_reshape_copy", "resize_as", "reshape_as", "view_as", always=True,
)  # fmt: skip
def view(call: Call) -> Value:
    """Elements in their order, cut into other axes."""
    value = call.tensor("self")
    if call.arg("dtype") is not None and call.shape_of("self") == call.shape:
        return value
    return viewed(call, value, call.shape)


def viewed(call: Call, value: Value, shape: tuple[int, ...]) -> Value:
    """The value as a view of `shape`; a view that cuts through samples mixes them."""
    assert value.axes is not None
    if not value.follows:
        return value.numbers_kept(plain(shape))
    steps = packed.stepwise(call.flow.sources, value.axes, shape)
    if steps is not None:
        return value.numbers_kept(steps)
    axes = regroup(value.axes, shape, call.index)
    whole = {factor for axis in value.axes for factor in axis}
    cut = {factor for axis in axes or value.axes for factor in axis if axes is None or factor not in whole}
    if any(factor.source is not None and not call.flow.sources[factor.source].told for factor in cut):
        # Which rows are whose depends on the data: rows of a packed sequence are cut up at its lengths.
        return UNKNOWN
    if axes is not None:
        return value.numbers_kept(axes)
    place = value.places()[0]
    return call.combine([value], None, call.mix("regroup", [value], "self", place, [value.axes[place]]))


@rule("transpose", "swapaxes", "swapdims", "transpose_copy", always=True)
def transpose(call: Call) -> Value:
    """Two axes change places."""
    value = call.tensor("self")
    axes = list(call.axes("self"))
    if axes:
        first, second = (
            call.axis(value, call.arg("dim0", "axis0")),
            call.axis(value, call.arg("dim1", "axis1")),
        )
        axes[first], axes[second] = axes[second], axes[first]
    return value.numbers_kept(tuple(axes))


@rule("t", "numpy_T", "mT", "adjoint", "t_copy", always=True)
def turned(call: Call) -> Value:
    """The last two axes change places."""
    axes = call.axes("self")
    if len(axes) < 2:
        return call.tensor("self")
    return call.tensor("self").numbers_kept((*axes[:-2], axes[-1], axes[-2]))


@rule("permute", "permute_copy", always=True)
def permute(call: Call) -> Value:
    """Axes in another order."""
    value = call.tensor("self")
    axes = call.axes("self")
    return value.numbers_kept(tuple(axes[call.axis(value, place)] for place in call.arg("dims")))


@rule("squeeze", "squeeze_copy", "unsqueeze", "unsqueeze_copy", always=True)
def regrouped_by_ones(call: Call) -> Value:
    """Axes of size 1 come and go."""
    value = call.tensor("self")
    axes = list(call.axes("self"))
    if call.name.startswith("unsqueeze"):
        axes.insert(call.arg("dim") % (len(axes) + 1), ())
        return value.numbers_kept(tuple(axes))
    dims = call.arg("dim")
    chosen = range(len(axes)) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {call.axis(value, place) for place in chosen}
    sizes = call.shape_of("self")
    return value.numbers_kept(
        tuple(axis for place, axis in enumerate(axes) if place not in gone or sizes[place] != 1)
    )


@rule("expand", "expand_as", "broadcast_to", "expand_copy", always=True)
def expand(call: Call) -> Value:
    """Axes of size 1 repeated."""
    value = call.tensor("self")
    axes = call.axes("self")
    extra = len(call.shape) - len(axes)
    wide = [plain_axis(length) for length in call.shape[:extra]]
    for axis, length in zip(axes, call.shape[extra:], strict=True):
        wide.append(axis if size(axis) == length else plain_axis(length))
    return value.numbers_kept(tuple(wide))


@rule("select", "select_copy", always=True)
def select(call: Call) -> Value:
    """One position of an axis."""
    value = call.tensor("self")
    place = call.axis(value, call.arg("dim"))
    position = call.arg("index") % call.shape_of("self")[place]
    part = cut_out(call, value, place, position, 1)
    assert part.axes is not None
    axes = part.axes[:place] + part.axes[place + 1 :]
    points = value.column(place, position)
    return Value(
        axes, part.pinned, part.mixed, part.known, part.learned, points, origin=_origin(call, position)
    )


def _origin(call: Call, position: int) -> tuple[int, int]:
    """A column of a table of positions is the same each time that it is taken."""
    value = call.tensor("self")
    return (value.origin[0], 1000 + position) if isinstance(value.points, tuple) else (-1, 0)


@rule("slice", "narrow", "slice_copy", "narrow_copy", always=True)
def slice_(call: Call) -> Value:
    """Part of an axis."""
    value = call.tensor("self")
    place = call.axis(value, call.arg("dim"))
    length, step = call.shape_of("self")[place], call.arg("step") or 1
    first = call.arg("start")
    if not isinstance(first, (int, type(None))):
        return UNKNOWN
    first = first or 0
    first = max(first + length, 0) if first < 0 else min(first, length)
    if call.shape[place] == length and step == 1:
        return value
    part = cut_out(call, value, place, first, call.shape[place], step)
    counts = value.counts and first == 0 and step == 1 and call.shape[place] > 1
    points = value.points if isinstance(value.points, int) else None
    return Value(part.axes, part.pinned, part.mixed, part.known, part.learned, points, counts)


def cut_out(call: Call, value: Value, place: int, first: int, length: int, step: int = 1) -> Value:
    """The positions from `first` of an axis; the axis stays, even of length 1."""
    assert value.axes is not None
    axis = value.axes[place]
    if length == 0:
        return Value(plain((0,) * len(value.axes)))
    got = _part_of_parts(call, axis, first, length) if step == 1 else None
    if got is None:
        got = sliced(axis, first, length, step)
    if got is None:
        key = (tuple(factor[:4] for factor in axis), first, length, step)
        source = call.source("parts", key, length)
        got = (Factor(length, source),) if length > 1 else (), None if length > 1 else (source, 0)
    part, pin = got
    axes = (*value.axes[:place], part, *value.axes[place + 1 :])
    if pin is None:
        return Value(axes, value.pinned, value.mixed, value.known, value.learned, value.points)
    one = Value(axes, value.pinned | {pin}, value.mixed, value.known, value.learned, value.points)
    if (value.pinned and pin not in value.pinned) or any(carries(axis) for axis in axes):
        # A similarity matrix, say: one sample against all.
        return Value(
            axes,
            frozenset(),
            one.mixed | call.mix("selection", [value], "self", place, [axis]),
            True,
            one.learned,
        )
    return one


def _part_of_parts(
    call: Call, axis: Axis, first: int, length: int
) -> tuple[Axis, tuple[int, int] | None] | None:
    """A part of a concatenation, where exactly one is taken, or a part of one."""
    if len(axis) != 1 or axis[0].source is None or axis[0].stride != 1:
        return None
    source = call.flow.sources[axis[0].source]
    if source.how == "packed":
        return packed.part(source, axis[0].offset + first, length)
    position = -axis[0].offset
    for part in source.parts:
        end = position + size(part)
        if position <= first and first + length <= end:
            if part and part[0].size == 1 and part[0].source is not None:
                return (), (part[0].source, part[0].offset)
            return sliced(part, first - position, length)
        position = end
    return None


@rule("unbind", "unbind_copy", always=True)
def unbind(call: Call) -> tuple[Value, ...]:
    """Every position of an axis by itself."""
    value = call.tensor("self")
    place = call.axis(value, call.arg("dim"))
    results = []
    for position in range(len(call.node.shapes)):
        part = cut_out(call, value, place, position, 1)
        assert part.axes is not None
        points = value.column(place, position)
        axes = part.axes[:place] + part.axes[place + 1 :]
        origin = _origin(call, position)
        results.append(Value(axes, part.pinned, part.mixed, part.known, part.learned, points, origin=origin))
    return tuple(results)


@rule(
    "split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes", "chunk", "unsafe_chunk",
    "tensor_split", "split_copy", "split_with_sizes_copy", always=True,
)  # fmt: skip
def split(call: Call) -> tuple[Value, ...]:
    """An axis in parts."""
    value = call.tensor("self")
    place = call.axis(value, call.arg("dim"))
    results, first = [], 0
    for shape in call.node.shapes:
        part = cut_out(call, value, place, first, shape[place])
        results.append(part if part.axes is None or shape[place] else part.with_axes(plain(shape)))
        first += shape[place]
    return tuple(results)


@rule("diagonal", "diag", "diagonal_copy", "diag_embed", "trace")
def diagonal(call: Call) -> Value:
    """The elements where two axes have the same index."""
    value = call.tensor("self")
    axes = list(call.axes("self"))
    if call.name in ("trace", "diag_embed") or len(axes) < 2:
        if value.follows:
            raise LookupError(call.name)
        return call.plain()
    first, second = call.arg("dim1"), call.arg("dim2")
    first, second = (
        call.axis(value, 0 if first is None else first),
        call.axis(value, 1 if second is None else second),
    )
    one, other = axes[first], axes[second]
    length = call.shape[-1]
    if carries(one) and carries(other):
        if not same(one, other) or length != size(one):
            return call.combine([value], None, call.mix("permuted", [value], "self", first, [one, other]))
        kept: Axis = one
    elif carries(one) or carries(other):
        kept = one if carries(one) else other
        if size(kept) != length:
            raise LookupError("a part of the diagonal")
    else:
        kept = plain_axis(length)
    rest = [axis for place, axis in enumerate(axes) if place not in (first, second)]
    return value.with_axes((*rest, kept))


@rule("unfold", "unfold_copy")
def unfold(call: Call) -> Value:
    """Windows along an axis."""
    value = call.tensor("self")
    axes = list(call.axes("self"))
    place = call.axis(value, call.arg("dimension"))
    if carries(axes[place]):
        mixed = call.mix("convolution", [value], "self", place, [axes[place]])
        return call.combine([value], None, mixed)
    axes[place] = plain_axis(call.shape[place])
    return value.with_axes((*axes, plain_axis(call.shape[-1])))


@rule("as_strided", "as_strided_copy")
def as_strided(call: Call) -> Value:
    """Any elements at all, picked by their place in memory: windows over each sample's own, or not known."""
    value = call.tensor("self")
    strides, shape = call.arg("strides"), call.shape_of("self")
    held = strides[0] if strides else 0
    if not strides or call.arg("storage_offset") is not None or value.places() != (0,):
        raise LookupError("elements by their place in memory")
    # Elements lie one after the other, those of a sample together, and none is taken from beyond its end.
    together = strides == tuple(prod(shape[place + 1 :]) for place in range(len(shape)))
    reach = sum(
        (length - 1) * step for length, step in zip(call.shape[1:], call.arg("stride")[1:], strict=True)
    )
    first = call.shape[:1] == shape[:1] and call.arg("stride")[:1] == (held,)
    if not together or not first or reach >= held:
        raise LookupError("elements by their place in memory")
    return value.with_axes((call.axes("self")[0], *plain(call.shape[1:])))


@rule("as_strided_scatter")
def strided_write(call: Call) -> Value:
    """Any elements at all."""
    del call
    raise LookupError("elements by their place in memory")


@rule("tril", "triu")
def triangle(call: Call) -> Value:
    """Zeros on one side of the diagonal."""
    return call.tensor("self").with_axes(call.axes("self"))


@rule("ravel")
def flat(call: Call) -> Value:
    """One axis."""
    return viewed(call, call.tensor("self"), call.shape)
