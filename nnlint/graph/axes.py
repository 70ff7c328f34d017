"""The algebra of axes: an axis is an ordered product of factors, and a factor may number samples.

A factor of *sample numbers* belongs to a source, a map from positions to samples: source 0 is the batch as it
came. The element at index i of a factor (size, source, stride, offset) belongs to sample
`map[source][offset + i * stride]`; several factors of one source add up. All other factors are plain, and two
plain neighbours are one, as a view may cut them anywhere. An axis of size 1 has no factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple, TypeAlias

# The source of the batch as it came: position i is sample i.
SAMPLES = 0


class Factor(NamedTuple):
    """`source` is None where the index says nothing about samples. `cut`: the view that split the source."""

    size: int
    source: int | None = None
    stride: int = 1
    offset: int = 0
    cut: int = -1


Axis: TypeAlias = tuple[Factor, ...]
Axes: TypeAlias = tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a tensor: which samples each of its elements depends on.

    An element depends on the samples that its indices along `axes` name, and on those `pinned` (source and
    position), which all elements share. `mixed` has a bit for every mixing behind it. `axes` is None
    where a mixing has left no order to speak of, or (`known` false) where an operator without a rule stands
    behind.

    `learned`: a parameter is behind it. For integers, `points` names the source whose positions they are,
    each a position of the same sample as the element itself; for a table of positions (`nonzero`), one
    for each column. `counts`: it is 0, 1, 2 … along its only axis, or along the last of several. `origin`
    is the node and output that made the numbers, before views and casts; `undoes` the origin of the index
    whose inverse it is.
    """

    axes: Axes | None
    pinned: frozenset[tuple[int, int]] = frozenset()
    mixed: int = 0
    known: bool = True
    learned: bool = False
    points: int | tuple[int | None, ...] | None = None
    counts: bool = False
    origin: tuple[int, int] = (-1, 0)
    undoes: tuple[int, int] | None = None

    @property
    def depends(self) -> bool:
        """Whether it may depend on any sample."""
        return not self.known or self.mixed != 0 or bool(self.pinned) or self.follows

    @property
    def follows(self) -> bool:
        """Whether an axis of it numbers samples."""
        return self.axes is not None and any(carries(axis) for axis in self.axes)

    def places(self) -> tuple[int, ...]:
        """The axes that number samples."""
        return tuple(place for place, axis in enumerate(self.axes or ()) if carries(axis))

    def with_axes(self, axes: Axes | None) -> Value:
        """The same dependence with other axes; what its integers meant is forgotten."""
        return Value(axes, self.pinned, self.mixed, self.known, self.learned)

    def numbers_kept(self, axes: Axes) -> Value:
        """Other axes around the same numbers."""
        counts = self.counts and _still_counts(self.axes or (), axes)
        points = self.points
        if isinstance(points, tuple) and len(points) == 1 and len(axes) == 1:
            (points,) = points
        return replace(self, axes=axes, counts=counts, points=points)

    def column(self, place: int, position: int) -> int | None:
        """What the numbers at a position of an axis are the positions of."""
        if not isinstance(self.points, tuple):
            return self.points
        # The rows of a table of positions number samples, its columns do not.
        columns = self.axes is not None and not carries(self.axes[place])
        return self.points[position] if columns and position < len(self.points) else None


def _still_counts(before: Axes, after: Axes) -> bool:
    sizes = [[size(axis) for axis in axes] for axes in (before, after)]
    places = [counting(shape) for shape in sizes]
    if places[0] is None or places[1] is None:
        return False
    return sizes[0][places[0]] == sizes[1][places[1]]


def counting(shape: Sequence[int]) -> int | None:
    """The axis along which a tensor counts that `counts`: the only one longer than 1, or the last one."""
    longer = [place for place, length in enumerate(shape) if length != 1]
    if len(longer) == 1:
        return longer[0]
    return len(shape) - 1 if longer and longer[-1] == len(shape) - 1 else None


def size(axis: Axis) -> int:
    """The length of an axis."""
    return prod(factor.size for factor in axis)


def carries(axis: Axis) -> bool:
    """Whether the axis numbers samples."""
    return any(factor.source is not None for factor in axis)


def plain_axis(length: int) -> Axis:
    """An axis that numbers no samples."""
    return () if length == 1 else (Factor(length),)


def plain(shape: Iterable[int]) -> Axes:
    """Axes that number no samples."""
    return tuple(plain_axis(length) for length in shape)


def joined(factors: Iterable[Factor]) -> Axis:
    """The factors in order, neighbours that are one written as one."""
    done: list[Factor] = []
    for factor in factors:
        if factor.size == 1 and factor.source is None:
            continue
        last = done[-1] if done else None
        if last is not None and last.source == factor.source:
            if factor.source is None:
                done[-1] = Factor(last.size * factor.size)
                continue
            if last.stride == factor.size * factor.stride:
                size, offset = last.size * factor.size, last.offset + factor.offset
                cut = -1 if last.cut == factor.cut else max(last.cut, factor.cut)
                done[-1] = Factor(size, factor.source, factor.stride, offset, cut)
                continue
        done.append(factor)
    return tuple(done)


def halves(factor: Factor, inner: int, cut: int) -> tuple[Factor, Factor]:
    """The factor as an outer one and one of `inner` elements; its size must be a multiple of `inner`."""
    outer = factor.size // inner
    if factor.source is None:
        return Factor(outer), Factor(inner)
    return (
        Factor(outer, factor.source, factor.stride * inner, factor.offset, cut),
        Factor(inner, factor.source, factor.stride, 0, cut),
    )


def regroup(axes: Axes, shape: Sequence[int], cut: int = -1) -> Axes | None:
    """The axes of a view of `shape`; None where whole factors cannot express it: elements are shuffled.

    `cut` is the node of the view.
    """
    factors = list(joined(factor for axis in axes for factor in axis))
    found: list[Axis] = []
    position = 0
    for length in shape:
        taken: list[Factor] = []
        filled = 1
        while filled < length:
            if position == len(factors):
                return None
            factor = factors[position]
            if length % filled:
                return None
            missing = length // filled
            if missing % factor.size == 0:
                taken.append(factor)
                filled *= factor.size
                position += 1
            elif factor.size % missing == 0:
                outer, rest = halves(factor, factor.size // missing, cut)
                taken.append(outer)
                factors[position] = rest
                filled = length
            else:
                return None
        found.append(joined(taken))
    return tuple(found)


class Clash(NamedTuple):
    """Two samples in one place of a result."""

    kind: str
    place: int | None


class Aligned(NamedTuple):
    """What meets elementwise: the axes of the result, and what goes wrong in it.

    `meets`: each axis that numbers samples, with the operands that brought it.
    """

    axes: Axes
    clashes: tuple[Clash, ...]
    meets: dict[int, tuple[int, ...]]


def same(first: Axis, second: Axis) -> bool:
    """Whether two axes of one length number the same samples in the same order."""
    return first == second or [factor[:4] for factor in first] == [factor[:4] for factor in second]


def align(operands: Sequence[Axes], shape: Sequence[int]) -> Aligned:
    """Broadcast: axes from the right, those of size 1 repeated."""
    rank = len(shape)
    result: list[Axis] = []
    clashes: list[Clash] = []
    meets: dict[int, tuple[int, ...]] = {}
    for place, length in enumerate(shape):
        best: Axis | None = None
        who: list[int] = []
        for number, axes in enumerate(operands):
            at = place - (rank - len(axes))
            if at < 0:
                continue
            axis = axes[at]
            if not axis or not carries(axis) or size(axis) != length:
                continue
            who.append(number)
            if best is None:
                best = axis
            elif not same(best, axis):
                kind = "permuted" if [f.size for f in best] == [f.size for f in axis] else "interleaved"
                clashes.append(Clash(kind, place))
        if best is not None:
            meets[place] = tuple(who)
        result.append(plain_axis(length) if best is None else best)
    return Aligned(tuple(result), tuple(clashes), meets)


def sliced(axis: Axis, start: int, length: int, step: int = 1) -> tuple[Axis, tuple[int, int] | None] | None:
    """Part of an axis, and the one sample that it is pinned to, if it is; None where factors cannot tell."""
    whole = size(axis)
    if not carries(axis):
        return plain_axis(length), None
    if start == 0 and length == whole:
        return axis, None
    first, rest = axis[0], axis[1:]
    inner = size(rest)
    if inner > 1 and step == 1 and start // inner == (start + length - 1) // inner:
        # Within one step of the outermost factor.
        pinned = None
        if first.source is not None:
            pinned = (first.source, first.offset + start // inner * first.stride)
        part = sliced(rest, start % inner, length)
        if part is None or (pinned and part[1]):
            return None
        return part[0], pinned or part[1]
    if step % inner == 0 and inner > 1 and start % inner == 0:
        # One element of each: x.view(-1)[::T] on (N, T).
        if length == 1 or not carries(rest):
            return sliced((first,), start // inner, length, max(step // inner, 1))
        return None
    if inner > 1:
        if step != 1 or start % inner or length % inner:
            return None
        outer = sliced((first,), start // inner, length // inner)
        return None if outer is None else (joined((*outer[0], *rest)), outer[1])
    if first.source is None:
        return plain_axis(length), None
    offset = first.offset + start * first.stride
    if length == 1:
        return (), (first.source, offset)
    return (Factor(length, first.source, first.stride * step, offset, first.cut),), None


def followed_by(first: Axis, second: Axis) -> Axis | None:
    """Two parts of one factor, one after the other, as one."""
    if len(first) != 1 or len(second) != 1:
        return None
    left, right = first[0], second[0]
    if left.source is None or left.source != right.source or left.stride != right.stride:
        return None
    if left.offset + left.size * left.stride != right.offset:
        return None
    return (Factor(left.size + right.size, left.source, left.stride, left.offset, max(left.cut, right.cut)),)
