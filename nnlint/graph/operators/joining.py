"""Several tensors as one, and one in another order: cat, stack, writes through a view, repeat, flip, roll."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from nnlint.graph import packed
from nnlint.graph.axes import (
    Axis,
    Factor,
    Value,
    carries,
    followed_by,
    joined,
    plain_axis,
    same,
    size,
    sliced,
)
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.registry import rule


@rule("select_scatter", "slice_scatter")
def written_part(call: Call) -> Value:
    """A tensor with part of an axis replaced."""
    whole, part = call.tensor("self"), call.tensor("src")
    axes, written = list(call.axes("self")), list(call.axes("src"))
    place = call.axis(whole, call.arg("dim"))
    if call.name == "select_scatter":
        written.insert(place, ())
    length = call.shape[place]
    axis = axes[place]
    pins = part.pinned
    if call.name == "select_scatter" and len(pins) == 1 and not carries(axis):
        # `out[i] = f(x[i])` for every i.
        ((source, position),) = pins
        if call.arg("index") % length == position and call.flow.sources[source].size == length:
            axis, pins = (Factor(length, source),), frozenset()
    elif call.name == "select_scatter" and len(pins) == 1 and len(axis) == 1:
        ((source, position),) = pins
        if (
            axis[0].source == source
            and axis[0].offset + call.arg("index") % length * axis[0].stride == position
        ):
            pins = frozenset()
    if carries(written[place]):
        first = (call.arg("start") or 0) % length if (call.arg("start") or 0) < length else 0
        fits = sliced(axis, first, size(written[place]), call.arg("step") or 1) if carries(axis) else None
        if size(written[place]) == length:
            axis = written[place]
        elif fits is None or not same(fits[0], written[place]):
            # Some positions are of samples, the others are not, or are of others.
            parts = _cover(axis, first, written[place], length)
            axis = (Factor(length, call.source("parts", parts, length, parts)),)
    axes[place] = axis
    rest = [entry if number != place else () for number, entry in enumerate(written)]
    kept = [entry if number != place else () for number, entry in enumerate(axes)]
    shape = tuple(1 if number == place else length for number, length in enumerate(call.shape))
    merged = call.pointwise(
        [whole.with_axes(tuple(kept)), Value(tuple(rest), pins, part.mixed, True, part.learned)], shape
    )
    if merged.axes is None:
        return merged
    return merged.with_axes((*merged.axes[:place], axis, *merged.axes[place + 1 :]))


def _cover(axis: Axis, first: int, middle: Axis, length: int) -> tuple[Axis, ...]:
    """The parts of an axis of which a middle one has been replaced."""
    end = first + size(middle)
    parts = []
    for begin, stop in ((0, first), (end, length)):
        if stop > begin:
            got = sliced(axis, begin, stop - begin)
            parts.append(got[0] if got is not None and got[1] is None else plain_axis(stop - begin))
    return (*parts[:1], middle, *parts[1:]) if first else (middle, *parts)


@rule("cat", "concat", "concatenate", "_cat", always=True)
def cat(call: Call) -> Value:
    """Tensors one after the other along an axis."""
    # An empty tensor of one axis is skipped by torch.
    pairs = [(call.flow.at(ref), call.flow.shape_of(ref)) for ref in call.arg("tensors")]
    pairs = [pair for pair in pairs if pair[1] != (0,)] or pairs
    values = [value for value, _ in pairs]
    place = call.arg("dim") % max(len(call.shape), 1)
    return along(call, values, place, [value.axes[place] for value in values if value.axes])


@rule("stack", always=True)
def stack(call: Call) -> Value:
    """Tensors side by side along a new axis."""
    values = [call.flow.at(ref) for ref in call.arg("tensors")]
    place = call.arg("dim") % len(call.shape)
    lifted = [
        value.numbers_kept((*value.axes[:place], (), *value.axes[place:]))
        for value in values
        if value.axes is not None
    ]
    return along(call, lifted, place, [()] * len(lifted))


def along(call: Call, values: list[Value], place: int, parts: list[Axis]) -> Value:
    """Values one after the other along an axis; what they hold elsewhere is aligned."""
    length = call.shape[place]
    pins = [value.pinned for value in values]
    axis: Axis
    points, counts = _points(call, values, parts)
    if len(set(pins)) > 1 and (any(map(carries, parts)) or _begins(call, pins)):
        # Single samples beside several: the samples of the axis.
        single = [
            len(pin) == 1 and not part and not value.follows
            for value, part, pin in zip(values, parts, pins, strict=True)
        ]
        parts = [
            packed.pinned(part, next(iter(pin)) if one else None)
            for part, pin, one in zip(parts, pins, single, strict=True)
        ]
        pins = [frozenset() if one else pin for pin, one in zip(pins, single, strict=True)]
    if points is not None:
        parts = [_owned(value, part, points) for value, part in zip(values, parts, strict=True)]
    if len(values) == 1:
        axis = parts[0]
    elif any(pins) and all(len(pin) == 1 for pin in pins) and not any(map(carries, parts)):
        axis, pins = _of_pins(call, [next(iter(pin)) for pin in pins], parts), [frozenset()] * len(pins)
    elif not any(map(carries, parts)):
        axis = plain_axis(length)
    else:
        axis = _of_parts(call, parts, length)
    rest = tuple(1 if number == place else size for number, size in enumerate(call.shape))
    freed = [
        Value(
            tuple(() if number == place else axis for number, axis in enumerate(value.axes or ())),
            pin, value.mixed, value.known, value.learned,
        )
        for value, pin in zip(values, pins, strict=True)
    ]  # fmt: skip
    if len(set(pins)) > 1 and any(pins):
        # Each part depends on its own sample only, which axes cannot say here.
        union = frozenset().union(*pins)
        freed = [Value(value.axes, union, value.mixed, value.known, value.learned) for value in freed]
        if carries(axis) or any(value.follows for value in freed):
            return UNKNOWN
    merged = call.pointwise(freed, rest)
    if merged.axes is None:
        return merged
    axes = (*merged.axes[:place], axis, *merged.axes[place + 1 :])
    return Value(axes, merged.pinned, merged.mixed, True, merged.learned, points, counts)


def _points(call: Call, values: list[Value], parts: list[Axis]) -> tuple[int | None, bool]:
    """The source that all of them hold positions of; counting from 0 holds all positions of one."""
    told = {value.points for value in values if isinstance(value.points, int)}
    if len(values) == 1:
        return (next(iter(told), None)), values[0].counts
    if len(told) != 1:
        return None, False
    source = next(iter(told))
    for value, part in zip(values, parts, strict=True):
        if value.points != source and not (value.counts or not value.depends):
            return None, False
        if value.points != source and size(part) != call.flow.sources[source].size:
            return None, False
    return source, False


def _owned(value: Value, part: Axis, points: int) -> Axis:
    """The axis of a part that counts the positions of a source: they are the source's own."""
    if isinstance(value.points, int) or carries(part):
        return part
    return (Factor(size(part), points),)


def _of_pins(call: Call, pins: list[tuple[int, int]], parts: list[Axis]) -> Axis:
    """An axis made of single samples: those of a batch again, if all are there in their order."""
    inner = parts[0]
    if any(part != inner for part in parts):
        key = (tuple(pins), tuple(size(part) for part in parts))
        total = sum(map(size, parts))
        return (Factor(total, call.source("parts", key, total)),)
    sources = {source for source, _ in pins}
    steps = {second[1] - first[1] for first, second in pairwise(pins)}
    if len(sources) == 1 and len(steps) == 1 and (step := steps.pop()) > 0:
        return joined((Factor(len(pins), pins[0][0], step, pins[0][1]), *inner))
    return joined((Factor(len(pins), call.source("parts", tuple(pins), len(pins))), *inner))


def _of_parts(call: Call, parts: list[Axis], length: int) -> Axis:
    """Several copies of one axis, the parts of one that was cut, or a new source."""
    if all(same(part, parts[0]) for part in parts):
        return joined((Factor(len(parts)), *parts[0]))
    if (rows := packed.joined(call.flow.sources, parts)) is not None:
        return rows
    whole: Axis | None = parts[0]
    for part in parts[1:]:
        whole = followed_by(whole, part) if whole is not None else None
    whole = whole or _filled_up(call, parts)
    if whole is not None:
        return whole
    data = any(
        not call.flow.sources[factor.source].told
        for part in parts
        for factor in part
        if factor.source is not None
    )
    key = tuple(tuple(factor[:4] for factor in part) for part in parts)
    return (Factor(length, call.source("data" if data else "parts", ("cat", key), length, tuple(parts))),)


def _begins(call: Call, pins: list[frozenset[tuple[int, int]]]) -> bool:
    """Whether a layer of torch goes back through a packed sequence, and the longest is no longer alone."""
    bases = {
        factor.source
        for source in call.flow.sources
        if source.how == "packed"
        for factor in source.base or ()
    }
    told = [next(iter(pin)) for pin in pins if len(pin) == 1]
    return not call.node.own and len(told) == 1 and told[0][1] == 0 and told[0][0] in bases


def _filled_up(call: Call, parts: list[Axis]) -> Axis | None:
    """Samples with positions beside them that are of none, as those of the samples that are not there.

    What depends on no sample may be said to depend on any.
    """
    numbered = [place for place, part in enumerate(parts) if carries(part)]
    if len(numbered) != 1 or len(parts[numbered[0]]) != 1:
        return None
    (factor,) = parts[numbered[0]]
    before = sum(map(size, parts[: numbered[0]]))
    total = sum(map(size, parts))
    first = factor.offset - before * factor.stride
    last = first + (total - 1) * factor.stride
    if factor.source is None or first < 0 or last >= call.flow.sources[factor.source].size:
        return None
    return (factor._replace(size=total, offset=first),)


@rule("repeat", "tile", always=True)
def repeat(call: Call) -> Value:
    """Whole axes repeated."""
    value = call.tensor("self")
    axes = call.axes("self")
    extra = len(call.shape) - len(axes)
    sizes = (1,) * extra + call.shape_of("self")
    wide = [()] * extra + list(axes)
    result = tuple(
        joined((*plain_axis(length // max(before, 1)), *axis)) if length else plain_axis(0)
        for axis, before, length in zip(wide, sizes, call.shape, strict=True)
    )
    made = value.with_axes(result)
    counts = value.counts and bool(sizes) and sizes[-1] == call.shape[-1] > 1
    return (
        replace(made, points=value.points, counts=counts) if isinstance(value.points, int) or counts else made
    )


@rule("repeat_interleave")
def repeat_interleave(call: Call) -> Value:
    """Each position repeated."""
    value = call.tensor("self", "repeats")
    axes = list(call.axes("self", "repeats"))
    repeats = call.arg("repeats")
    place = call.axis(value, call.arg("dim") or 0)
    if not isinstance(repeats, int) or call.arg("dim") is None:
        raise LookupError("counts that differ")
    axes[place] = joined((*axes[place], *plain_axis(repeats)))
    return value.with_axes(tuple(axes))


@rule("rot90")
def turned(call: Call) -> Value:
    """Two axes change places, and one of them its direction."""
    value = call.tensor("self")
    axes = list(call.axes("self"))
    first, second = (call.axis(value, place) for place in call.arg("dims"))
    if carries(axes[first]) or carries(axes[second]):
        raise LookupError("samples in reverse")
    if call.arg("k") % 2:
        axes[first], axes[second] = axes[second], axes[first]
    return value.with_axes(tuple(axes))


@rule("diagonal_scatter")
def written_diagonal(call: Call) -> Value:
    """A tensor with the elements replaced where two axes have the same index."""
    whole, part = call.tensor("self"), call.tensor("src")
    places = sorted(call.axis(whole, call.arg(name)) for name in ("dim1", "dim2"))
    *rest, along = call.axes("src")
    if carries(along) or any(carries(call.axes("self")[place]) for place in places):
        raise LookupError("samples along a diagonal")
    for place in places:
        rest.insert(place, ())
    return call.pointwise([whole, part.with_axes(tuple(rest))])


@rule("flip", "roll", "fliplr", "flipud")
def moved(call: Call) -> Value:
    """Positions of an axis in another order."""
    value = call.tensor("self")
    axes = list(call.axes("self"))
    dims = call.arg("dims")
    places = [call.axis(value, place) for place in ((dims,) if isinstance(dims, int) else dims or ())]
    if call.name == "roll" and not places:
        if not value.follows:
            return value.with_axes(tuple(axes))
        raise LookupError("roll over all axes")
    for place in places:
        if carries(axes[place]):
            key = (call.name, call.arg("shifts"), tuple(factor[:4] for factor in axes[place]))
            length = size(axes[place])
            axes[place] = (Factor(length, call.source("parts", key, length)),)
    return value.with_axes(tuple(axes))
