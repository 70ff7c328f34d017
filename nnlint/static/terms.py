"""Sums, products and exponentials as algebra: the terms of a formula, whatever way it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from nnlint.static.scores import RAW
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Kind, Value

ADDS = frozenset({"add", "add_"})
SUBTRACTS = frozenset({"sub", "sub_"})
MULTIPLIES = frozenset({"mul", "mul_"})
DIVIDES = frozenset({"div", "div_"})
SQUARES = frozenset({"pow", "pow_"})
# Linear in what they add up: a formula may be summed as a whole or term by term.
_LINEAR = LOOK_THROUGH | {"sum", "mean"}
_DEEPEST = 40


@dataclass(frozen=True)
class Term:
    """One summand: `factor * value`."""

    factor: float
    value: Value


def number(value: Value) -> float | None:
    """A constant that the file spells out."""
    if value.kind is Kind.CONST and type(value.const) in (int, float):
        return float(value.const)
    return None


def terms(value: Value, most: int = 8) -> list[Term]:
    """The summands of a formula, with their constant factors; sums and means of it do not change them.

    Empty where there are more than `most`: no formula that anyone wrote down.
    """
    found = list(islice(_terms(value, 1.0, 0, _LINEAR), most + 1))
    return found if len(found) <= most else []


def whole_terms(value: Value, most: int = 8) -> list[Term]:
    """Like `terms`, but sums and means stay as they are."""
    found = list(islice(_terms(value, 1.0, 0, LOOK_THROUGH), most + 1))
    return found if len(found) <= most else []


def _terms(value: Value, factor: float, depth: int, through: frozenset[str]) -> Iterator[Term]:
    value = itself(value)
    if depth < _DEEPEST and value.args:
        first, second = value.args[0], value.args[1] if len(value.args) == 2 else None
        if value.op in ADDS | SUBTRACTS and second is not None:
            yield from _terms(first, factor, depth + 1, through)
            yield from _terms(second, -factor if value.op in SUBTRACTS else factor, depth + 1, through)
            return
        if value.op == "neg":
            yield from _terms(first, -factor, depth + 1, through)
            return
        scaled = _scaled(value)
        if scaled is not None:
            yield from _terms(scaled[1], factor * scaled[0], depth + 1, through)
            return
        if value.op in through:
            yield from _terms(first, factor, depth + 1, through)
            return
    yield Term(factor, value)


def product(value: Value, depth: int = 0) -> tuple[float, list[Value], list[Value]]:
    """A product as its constant, the factors above the line, and those below it."""
    value = itself(value)
    known = number(value)
    if known is not None:
        return known, [], []
    if len(value.args) == 2 and depth < _DEEPEST and squared(value) is None:
        left, right = value.args
        if value.op in MULTIPLIES:
            first, second = product(left, depth + 1), product(right, depth + 1)
            return first[0] * second[0], first[1] + second[1], first[2] + second[2]
        if value.op in DIVIDES:
            first, second = product(left, depth + 1), product(right, depth + 1)
            if second[0]:
                return first[0] / second[0], first[1] + second[2], first[2] + second[1]
    return 1.0, [value], []


def exponent(value: Value) -> Term | None:
    """`exp(k * v)` in any spelling, roots, powers and reciprocals of it included: the term k * v."""
    k = 1.0
    for _ in range(_DEEPEST):
        value = itself(value)
        power = 1.0
        if value.op in {"exp", "exp_"} and value.args:
            inside = terms(value.args[0])
            return Term(k * inside[0].factor, inside[0].value) if len(inside) == 1 else None
        if value.op == "sqrt":
            power = 0.5
        elif value.op == "square":
            power = 2.0
        elif value.op in SQUARES and len(value.args) == 2:
            power = number(value.args[1]) or 0.0
        elif value.op == "reciprocal" or (
            value.op in DIVIDES and len(value.args) == 2 and number(value.args[0]) == 1
        ):
            power = -1.0
        elif value.op not in LOOK_THROUGH:
            return None
        if not value.args or not power:
            return None
        k *= power
        value = value.args[1] if value.op in DIVIDES else value.args[0]
    return None


def squared(value: Value) -> Value | None:
    """What is squared here."""
    value = itself(value)
    if value.op == "square" and value.args:
        return value.args[0]
    if value.op in SQUARES and len(value.args) == 2 and number(value.args[1]) == 2:
        return value.args[0]
    if value.op in MULTIPLIES and len(value.args) == 2 and itself(value.args[0]) is itself(value.args[1]):
        return value.args[0]
    return None


def itself(value: Value) -> Value:
    """A value behind what followed calls returned and what only relabels it."""
    for _ in range(_DEEPEST):
        if value.result is not None:
            value = value.result
        elif value.op in LOOK_THROUGH and value.args and not value.alts:
            value = value.args[0]
        else:
            break
    return value


def identity(value: Value) -> int:
    """The same for two readings of one thing: what one layer gives is one thing whenever it is called."""
    value = itself(value)
    if value.op in RAW and value.receiver is not None and value.receiver.kind is Kind.MODULE:
        return id(value.receiver)
    return id(value)


def _scaled(value: Value) -> tuple[float, Value] | None:
    """`c * x`, `x * c` or `x / c`."""
    if len(value.args) != 2:
        return None
    left, right = (number(part) for part in value.args)
    if value.op in MULTIPLIES and (left is None) is not (right is None):
        return (left, value.args[1]) if left is not None else (right or 0.0, value.args[0])
    if value.op in DIVIDES and right and left is None:
        return 1.0 / right, value.args[0]
    return None
