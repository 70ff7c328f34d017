"""The summands of a loss: what was added up, weighted, to the number that is differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.graph.nodes import Ref

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep

ADDS = frozenset({"add", "sub", "rsub"})
SCALES = frozenset({"mul", "div", "neg"})


@dataclass(frozen=True, slots=True)
class Term:
    """A value that the loss is a sum of. `factor`: what it was multiplied with, None if a tensor."""

    ref: Ref
    factor: float | None


def loss_terms(step: GraphStep, loss: Ref) -> tuple[Term, ...]:
    """The terms of a loss, in the order of the source; the loss itself where it is no sum."""
    return tuple(_terms(step, loss, 1.0))


def _terms(step: GraphStep, ref: Ref, factor: float | None) -> Iterator[Term]:
    ref = step.origin(ref)
    node = step.nodes[ref.node]
    operator = step.operator(ref.node)
    tensors = [source for source in step.sources(ref.node) if not _is_number(step, source)]
    if operator in ADDS and tensors and all(not step.shape(source) for source in tensors):
        alpha = node.arguments.get("alpha")
        for number, source in enumerate(tensors):
            weight = factor
            if number == 1:
                sign = -1.0 if operator == "sub" else 1.0
                weight = _times(weight, sign * float(alpha if isinstance(alpha, (int, float)) else 1))
            yield from _terms(step, source, weight)
    elif operator in SCALES and len(tensors) == 1 and not step.shape(tensors[0]):
        yield from _terms(step, tensors[0], _times(factor, _scale(step, ref.node, operator)))
    else:
        yield Term(ref, factor)


def _is_number(step: GraphStep, ref: Ref) -> bool:
    """Whether it is one number that was there before the step."""
    node = step.nodes[step.origin(ref).node]
    return node.op == "constant" and not step.shape(ref)


def _scale(step: GraphStep, index: int, operator: str) -> float | None:
    if operator == "neg":
        return -1.0
    other = step.nodes[index].arguments.get("other")
    if isinstance(other, Ref):
        held = step.origin(other)
        if not _is_number(step, other):
            held = step.origin(step.sources(index)[0])
        other = step.nodes[held.node].arguments.get("value")
    if isinstance(other, bool) or not isinstance(other, (int, float)):
        return None
    if operator == "div":
        return 1 / other if other else None
    return float(other)


def _times(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first * second
