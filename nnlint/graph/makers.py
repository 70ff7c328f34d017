"""What made the numbers of a value: the operation behind views, casts, pieces and joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nnlint.graph.nodes import Ref
from nnlint.graph.step import SAME_NUMBERS

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep

# Some of the numbers, in order or not.
PIECES = frozenset({
    "select", "slice", "index", "index_select", "gather", "masked_select", "narrow", "split",
    "split_with_sizes", "chunk", "unbind", "diagonal", "unfold",
})  # fmt: skip
JOINS = frozenset({"cat", "stack"})
# Products with weights: their results can be any number.
PRODUCTS = frozenset({"addmm", "mm", "bmm", "baddbmm", "convolution", "linear", "mkldnn_linear"})
PROBABILITIES = frozenset({"_softmax", "sigmoid", "hardsigmoid"})
LOG_PROBABILITIES = frozenset({"_log_softmax", "log_sigmoid_forward"})


def makers(step: GraphStep, ref: Ref, also: frozenset[str] = frozenset()) -> list[Ref]:
    """The operations that made the numbers; all of them, where pieces were joined.

    Operators of `also` are looked through to their first tensor.
    """
    found: dict[Ref, None] = {}
    seen: set[Ref] = set()
    waiting = [ref]
    through = SAME_NUMBERS | PIECES | also
    while waiting:
        ref = waiting.pop()
        if ref in seen:
            continue
        seen.add(ref)
        operator = step.operator(ref.node)
        sources = step.sources(ref.node)
        if operator in JOINS:
            waiting += sources
        elif operator in through and sources:
            waiting.append(sources[0])
        else:
            found[ref] = None
    return list(found)


def surely(
    step: GraphStep, ref: Ref, test: Callable[[Ref], bool], also: frozenset[str] = frozenset()
) -> list[Ref]:
    """The makers of a value, where all of them satisfy `test`; none where one does not."""
    found = makers(step, ref, also)
    return found if all(test(made) for made in found) else []


def made_by(step: GraphStep, ref: Ref, *operators: str) -> list[Ref]:
    """The makers of a value, where all of them are of these operators."""
    return surely(step, ref, lambda made: step.operator(made.node) in operators)


def is_raw(step: GraphStep, ref: Ref) -> bool:
    """Whether a value is the output of a layer with weights, and so can be any number."""
    return layer_behind(step, ref) is not None


def layer_behind(step: GraphStep, ref: Ref) -> int | None:
    """The product with a weight that a value is, with or without its bias; None if it is none."""
    ref = step.origin(ref)
    if step.operator(ref.node) == "add":
        # The bias of a product that torch writes in two operations.
        sources = step.sources(ref.node)
        rest = [source for source in sources if not is_weight(step, source)]
        if len(sources) != 2 or len(rest) != 1 or len(step.shape(step.origin(sources[1]))) != 1:
            return None
        ref = step.origin(rest[0])
    if step.operator(ref.node) not in PRODUCTS:
        return None
    weights = [source for source in step.sources(ref.node) if is_weight(step, source)]
    return ref.node if any(len(step.shape(step.origin(weight))) > 1 for weight in weights) else None


def is_weight(step: GraphStep, ref: Ref) -> bool:
    """Whether it is a parameter, or a view of one."""
    return step.nodes[step.origin(ref).node].op == "parameter"


def learned(step: GraphStep, ref: Ref) -> bool:
    """Whether a gradient flows from a value back to a parameter."""
    node = step.nodes[ref.node]
    if not node.grad:
        return False
    return any(step.nodes[index].op == "parameter" for index in step.behind_grad(ref.node))
