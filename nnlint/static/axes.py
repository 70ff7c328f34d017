"""Axes as ordered products of factors, and what regrouping them can and cannot do.

An axis is a tuple of factors, the outermost first: `()` is an axis of size 1, `(8,)` of size 8, `(h, w)` the
merge of two axes whose sizes only the running script knows. A symbol names a size of a tensor
(`x.size(1)`), a number that the file does not show (`self.heads`), or an axis that nothing can express.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
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


def total(axes: Sequence[Axis | None]) -> Axis | None:
    """The length of axes put one after the other, where it is a number."""
    numbers = [
        prod(f for f in axis if isinstance(f, int))
        for axis in axes
        if axis is not None and all(isinstance(f, int) for f in axis)
    ]
    if len(numbers) != len(axes):
        return None
    return () if sum(numbers) == 1 else (sum(numbers),)


def shuffle(source: Shape, target: Sequence[Axis | None], moved: bool) -> Shuffle | None:
    """What a view of `source` as `target` (None for -1) puts out of order; None where it is right or unknown.

    `moved`: whether the source is a transposed tensor, whose axes its author surely told apart.
    """
    whole = [axis for axis in target if axis is not None]
    if len(whole) == len(target) and _permuted(source, whole):
        return _first_difference(source, whole)
    found = _scan([list(axis) for axis in source if axis], list(target), moved)
    if found is None and None in target:
        found = _scan([list(axis) for axis in reversed(source) if axis], list(reversed(target)), moved)
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


def _scan(source: list[list[Factor]], target: list[Axis | None], moved: bool) -> Shuffle | None:
    """Match the target's axes from one end; inside one axis of the source the order is not known."""
    begun = False
    for position, axis in enumerate(target):
        if axis is None:
            return None
        left = _expanded(axis, source)  # `h * r` and `r * h` name the same axis
        while left:
            if not source:
                return None
            common = next((factor for factor in source[0] if factor in left), None)
            if common is not None:
                left.remove(common)
                source[0].remove(common)
                if not source[0]:
                    source.pop(0)
                begun = True
                continue
            factor = left.pop(0)
            if isinstance(factor, int):
                ahead = source[0]
                if not _take(source, factor):
                    # Heads before positions: what comes first is named after them, and whole.
                    later = [_expanded(other or (), source) for other in target[position + 1 :]]
                    named_later = begun and len(ahead) == 1 and not _opaque(ahead[0]) and ahead in later
                    return Shuffle(tuple(ahead), factor) if named_later else None
                continue
            there = next((i for i, other in enumerate(source) if factor in other), None)
            if there is None:
                return None
            if any(not isinstance(f, int) and not any(f in other for other in source) for f in left):
                return None  # what stands beside it may be the product of those before
            skipped = tuple(f for other in source[:there] for f in other)
            named = {f for later in target[position + 1 :] for f in _expanded(later or (), source)}
            certain = any(isinstance(f, int) or f in named for f in skipped)
            if certain or (moved and begun and not any(_opaque(f) for f in skipped)):
                return Shuffle(skipped, factor)
            return None
    return None


def _opaque(factor: Factor) -> bool:
    """Whether it may well be 1: an axis that nothing names."""
    return isinstance(factor, tuple) and factor[0] in {"axis", "rest"}


def _take(source: list[list[Factor]], number: int) -> bool:
    """Split a constant off the first axes; whether that was possible."""
    while source and number > 1:
        here = source[0][0]
        if len(source[0]) != 1 or not isinstance(here, int):
            return False
        if here % number == 0:
            source[0][0] = here // number
            if here == number:
                source.pop(0)
            return True
        if number % here:
            return False
        number //= here
        source.pop(0)
    return number == 1


def _expanded(axis: Axis, source: Sequence[Sequence[Factor]]) -> list[Factor]:
    """The factors of an axis; `c` as (h, c // h) where the source is cut so."""
    cut = [f for other in source for f in other]
    found: list[Factor] = []
    for factor in axis:
        parts = [f for f in cut if isinstance(f, tuple) and f[0] == "//" and f[1] == factor and f[2] in cut]
        if factor not in cut and parts:
            found.extend((parts[0][2], parts[0]))  # type: ignore[arg-type]
        else:
            found.append(factor)
    return found
