"""Attention in a recorded step: what its scores are scaled with, and what their masks hide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.graph.dropouts import dropped
from nnlint.graph.makers import is_weight
from nnlint.graph.nodes import Ref
from nnlint.graph.step import SAME_NUMBERS

if TYPE_CHECKING:
    from nnlint.graph.nodes import Argument
    from nnlint.graph.step import GraphStep

_PRODUCTS = frozenset({"bmm", "baddbmm", "mm"})
# Between the product of queries and keys and the softmax, beside factors.
_MASKS = frozenset({"masked_fill", "where", "add", "sub"})


@dataclass(frozen=True, slots=True)
class Scores:
    """What a softmax makes attention weights of.

    `width` numbers are summed up in each score; all constant factors multiply to `factor`, and `scaled` is
    the first operation that the user wrote for one.
    """

    width: int
    factor: float
    scaled: int | None


def attentions(step: GraphStep) -> Iterator[Scores]:
    """The attention that is written out, in which every factor is a known number."""
    for index in range(len(step.nodes)):
        if step.operator(index) == "_softmax" and _weighs(step, index):
            found = _scores(step, step.sources(index)[0])
            if found is not None:
                yield found


def fused(step: GraphStep) -> Iterator[Scores]:
    """Queries that are scaled before a fused attention, which scales by itself."""
    for index, node in enumerate(step.nodes):
        if "scaled_dot_product" in step.operator(index) and node.arguments.get("scale") is None:
            query = step.sources(index)[0]
            factor, scaled, _ = _factors(step, query)
            if factor is not None:
                yield Scores(step.shape(query)[-1], factor, scaled)


@dataclass(frozen=True, slots=True)
class Fill:
    """Positions that get a number: those where `mask` is `where`."""

    node: int
    mask: Ref
    where: bool
    number: float


def fills(step: GraphStep) -> Iterator[Fill]:
    """What is filled in before a softmax or a fused attention, by masked_fill or where."""
    for index, node in enumerate(step.nodes):
        operator = step.operator(index)
        if operator not in ("masked_fill", "where") or not before_softmax(step, index):
            continue
        mask = node.arguments.get("mask", node.arguments.get("condition"))
        sides = (("value", True),) if operator == "masked_fill" else (("self", True), ("other", False))
        for name, where in sides:
            number = _constant(step, node.arguments.get(name))
            if number is not None and isinstance(mask, Ref):
                yield Fill(index, mask, where, number)


def before_softmax(step: GraphStep, index: int) -> bool:
    """Whether a value is, as scores or as what is added to them, on its way into a softmax or fused "
    "attention."""
    waiting, seen = [index], set()
    while waiting:
        for user in step.users(waiting.pop()):
            operator = step.operator(user)
            if operator in ("_softmax", "_safe_softmax", "_log_softmax") or "scaled_dot_product" in operator:
                return True
            passes = operator in SAME_NUMBERS | _MASKS | {"mul", "div", "slice", "baddbmm"}
            if passes and user not in seen:
                seen.add(user)
                waiting.append(user)
    return False


def _weighs(step: GraphStep, index: int) -> bool:
    """Whether the result weighs values: is multiplied with something that is no weight."""
    waiting = [index]
    while waiting:
        here = waiting.pop()
        for user in step.users(here):
            operator = step.operator(user)
            if operator in _PRODUCTS and not any(is_weight(step, source) for source in step.sources(user)):
                return True
            kept = dropped(step, user)
            if operator in SAME_NUMBERS or (kept is not None and kept.node == here):
                waiting.append(user)
    return False


def _scores(step: GraphStep, ref: Ref) -> Scores | None:
    factor, scaled, product = _factors(step, ref, masks=True)
    if factor is None or step.operator(product.node) not in _PRODUCTS:
        return None
    sides = step.sources(product.node)[-2:]
    if any(is_weight(step, side) for side in sides) or not all(step.nodes[side.node].grad for side in sides):
        return None
    width = step.shape(sides[0])[-1]
    for side in sides:
        more, where, end = _factors(step, side)
        if more is None or step.operator(end.node) in ("div", "mul"):
            return None
        factor *= more
        scaled = scaled if scaled is not None else where
    alpha = step.nodes[product.node].arguments.get("alpha", 1)
    return Scores(width, factor * alpha, scaled) if isinstance(alpha, (int, float)) else None


def _factors(step: GraphStep, ref: Ref, masks: bool = False) -> tuple[float | None, int | None, Ref]:
    """The constant factors on the way to a value, the user's first one, and what stands behind them all.

    None for a factor that is no known number.
    """
    factor, scaled = 1.0, None
    while True:
        ref = step.origin(ref)
        operator, sources = step.operator(ref.node), step.sources(ref.node)
        if operator in ("mul", "div"):
            number, rest = _number(step, ref.node)
            if rest is None:
                return factor, scaled, ref
            if number is None:
                return None, scaled, ref
            factor *= number if operator == "mul" else 1 / number
            if scaled is None and step.nodes[ref.node].own:
                scaled = ref.node
            ref = rest
        elif masks and operator in _MASKS and sources:
            flowing = [source for source in sources if step.nodes[source.node].grad]
            if len(flowing) != 1:
                return None, scaled, ref
            ref = flowing[0]
        else:
            return factor, scaled, ref


def _number(step: GraphStep, index: int) -> tuple[float | None, Ref | None]:
    """The number that a tensor is multiplied with or divided by, and the tensor; no tensor where two meet."""
    other = step.nodes[index].arguments.get("other")
    if isinstance(other, Ref) and step.shape(other) not in ((), (1,)):
        return None, None
    number = _constant(step, other)
    return number or None, step.sources(index)[0]


def _constant(step: GraphStep, given: Argument) -> float | None:
    """A number, or that of a tensor with one element."""
    if isinstance(given, Ref):
        held = step.nodes[step.origin(given).node].arguments
        given = held.get("value", held.get("fill_value", held.get("s")))
    return float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else None
