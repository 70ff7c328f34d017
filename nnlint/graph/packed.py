"""The rows of a packed sequence: those of all samples that are long enough, step by step."""

from __future__ import annotations

from itertools import accumulate

from nnlint.graph.axes import Axes, Axis, Factor, size, sliced
from nnlint.graph.call import Source


def part(source: Source, first: int, length: int) -> tuple[Axis, tuple[int, int] | None] | None:
    """The samples of some rows that are all of one step, and the one to which they are pinned, as in
    `axes.sliced`; None where they are of several steps."""
    for end, rows in zip(accumulate(source.rows), source.rows, strict=True):
        if end - rows <= first and first + length <= end and source.base is not None:
            return sliced(source.base, first - (end - rows), length)
    return None


def stepwise(sources: list[Source], axes: Axes, shape: tuple[int, ...]) -> Axes | None:
    """The axes of a view that gives whole steps with equally many rows an axis of time and one of samples."""
    for place, axis in enumerate(axes):
        packed = axis[0].source if len(axis) == 1 else None
        if packed is None or axis[0].stride != 1 or len(shape) != len(axes) + 1:
            continue
        source, (steps, rows) = sources[packed], shape[place : place + 2]
        if source.how != "packed" or source.base is None or steps * rows != size(axis):
            continue
        if [*map(size, axes[:place]), *map(size, axes[place + 1 :])] != [*shape[:place], *shape[place + 2 :]]:
            continue
        starts = [end - count for end, count in zip(accumulate(source.rows), source.rows, strict=True)]
        if axis[0].offset in starts:
            at = starts.index(axis[0].offset)
            samples = sliced(source.base, 0, rows)
            if source.rows[at : at + steps] == (rows,) * steps and samples is not None and samples[1] is None:
                time = (Factor(steps),) if steps > 1 else ()
                return (*axes[:place], time, samples[0], *axes[place + 1 :])
    return None


def joined(sources: list[Source], parts: list[Axis]) -> Axis | None:
    """The rows of a packed sequence again, of which the parts are the steps in their order."""
    for number, source in enumerate(sources):
        if source.rows and source.base is not None and source.rows == tuple(map(size, parts)):
            firsts = [sliced(source.base, 0, rows) for rows in source.rows]
            if all(
                first is not None and _samples(part) == _samples(pinned(*first))
                for part, first in zip(parts, firsts, strict=True)
            ):
                return (Factor(source.size, number),)
    return None


def pinned(axis: Axis, pin: tuple[int, int] | None) -> Axis:
    """An axis of one position as one that says which sample it is of."""
    return axis if pin is None else (Factor(1, pin[0], 1, pin[1]),)


def _samples(axis: Axis) -> list[tuple[object, ...]]:
    return [factor[:4] for factor in axis]
