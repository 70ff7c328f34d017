"""Axes as ordered products of factors, and what regrouping them can and cannot do.

An axis is a tuple of factors, the outermost first: `()` is an axis of size 1, `(8,)` of size 8, `(h, w)` the
merge of two axes whose sizes only the running script knows. A symbol names a size of a tensor
(`x.size(1)`), a number that the file does not show (`self.heads`), or an axis that nothing can express.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Factor: TypeAlias = "int | tuple[object, ...]"
Axis: TypeAlias = "tuple[Factor, ...]"
Shape: TypeAlias = "tuple[Axis, ...]"


@dataclass(frozen=True)
class Shuffle:
    """A regrouping that cannot be right: `skipped` stands before `taken` in memory, not in the result."""

    skipped: Axis
    taken: Factor


def flat(shape: Shape) -> Axis:
    return tuple(factor for axis in shape for factor in axis)


def simplify(axis: Axis) -> Axis:
    """`h * (c // h)` is `c`."""
    factors = list(axis)
    for factor in axis:
        if isinstance(factor, tuple) and factor[0] == "//" and factor[2] in factors and factor in factors:
            factors.remove(factor[2])
            factors[factors.index(factor)] = factor[1]  # type: ignore[call-overload]
    return tuple(factors)


def divide(axis: Axis, by: Axis) -> Axis:
    """What is left of a product; an unknown quotient is a symbol of its own."""
    rest = list(axis)
    for factor in by:
        if factor in rest:
            rest.remove(factor)
            continue
        number = next(
            (f for f in rest if isinstance(f, int) and isinstance(factor, int) and f % factor == 0), None
        )
        if number is not None and isinstance(factor, int) and isinstance(number, int):
            place = rest.index(number)
            rest[place : place + 1] = [number // factor] if number != factor else []
        else:
            whole = rest[0] if len(rest) == 1 else tuple(rest)
            rest = [("//", whole, factor)]
    return tuple(rest)


def shuffle(source: Shape, target: Sequence[Axis | None], moved: bool) -> Shuffle | None:
    """What a view of `source` as `target` (None for -1) puts out of order; None where it is right or unknown.

    `moved`: whether the source is a transposed tensor, whose axes its author surely told apart.
    """
    whole = [axis for axis in target if axis is not None]
    if len(whole) == len(target) and _permuted(source, whole):
        return _first_difference(source, whole)
    found = _scan(list(flat(source)), list(target), moved)
    if found is None and None in target:
        backwards = [tuple(reversed(axis)) if axis is not None else None for axis in reversed(target)]
        found = _scan(list(reversed(flat(source))), backwards, moved)
    return found


def _permuted(source: Shape, target: Sequence[Axis]) -> bool:
    first, second = [axis for axis in source if axis], [axis for axis in target if axis]
    if first == second or len(first) != len(second) or len(set(first)) < 2:
        return False
    return sorted(map(repr, first)) == sorted(map(repr, second)) and flat(tuple(first)) != flat(tuple(second))


def _first_difference(source: Shape, target: Sequence[Axis]) -> Shuffle:
    first, second = flat(source), flat(tuple(target))
    place = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return Shuffle((first[place],), second[place])


def _scan(source: list[Factor], target: list[Axis | None], moved: bool) -> Shuffle | None:
    place = 0
    for position, axis in enumerate(target):
        if axis is None:
            return None
        left = _expanded(axis, source)  # `h * r` and `r * h` name the same axis
        while left:
            if place >= len(source):
                return None
            if source[place] in left:
                left.remove(source[place])
                place += 1
                continue
            factor = left.pop(0)
            if isinstance(factor, int):
                if not _take(source, place, factor):
                    return None
                continue
            if factor not in source[place:]:
                return None
            there = source.index(factor, place)
            skipped = tuple(source[place:there])
            named = {f for later in target[position + 1 :] for f in _expanded(later or (), source)}
            certain = any(isinstance(f, int) or f in named for f in skipped)
            if certain or (moved and place > 0 and not any(_opaque(f) for f in skipped)):
                return Shuffle(skipped, factor)
            return None
    return None


def _opaque(factor: Factor) -> bool:
    """Whether it may well be 1: an axis that nothing names."""
    return isinstance(factor, tuple) and factor[0] in {"axis", "rest"}


def _take(source: list[Factor], place: int, number: int) -> bool:
    """Split a constant off the factors at `place`; whether that was possible."""
    while place < len(source) and number > 1:
        here = source[place]
        if not isinstance(here, int):
            return False
        if here % number == 0:
            source[place : place + 1] = [number, here // number] if here != number else [number]
            source.pop(place)
            return True
        if number % here:
            return False
        number //= here
        source.pop(place)
    return number == 1


def _expanded(axis: Axis, source: Sequence[Factor]) -> list[Factor]:
    """The factors of an axis; `c` as (h, c // h) where the source is cut so."""
    found: list[Factor] = []
    for factor in axis:
        parts = [
            f for f in source if isinstance(f, tuple) and f[0] == "//" and f[1] == factor and f[2] in source
        ]
        if factor not in source and parts:
            found.extend((parts[0][2], parts[0]))  # type: ignore[arg-type]
        else:
            found.append(factor)
    return found
