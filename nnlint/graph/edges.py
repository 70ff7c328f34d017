"""Where the numbers of a step can reach the edge of an operator's domain: exact zeros, overflow, "
"unclamped cosines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.graph.makers import layer_behind, made_by, makers, surely
from nnlint.graph.nodes import Ref
from nnlint.graph.step import SAME_NUMBERS

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep

# Zero for ordinary inputs, or by underflow.
_ZERO = frozenset({"relu", "_softmax", "sigmoid", "hardsigmoid", "abs", "linalg_vector_norm", "hardtanh"})
_WHOLE = frozenset({"relu", "abs", "linalg_vector_norm"})
LOGARITHMS = ("log", "log2", "log10")
_RISKY = frozenset({"sqrt", "rsqrt", *LOGARITHMS, "div", "acos", "asin", "reciprocal"})
_COMPARED = frozenset({"gt", "lt", "ge", "le", "ne", "eq"})
_SAME_PLACE = SAME_NUMBERS | {"add", "sub", "mul", "neg", "rsub"}


def trained(step: GraphStep, *operators: str) -> Iterator[int]:
    """The operations that the user wrote and through which a gradient flows from a loss."""
    for index in sorted(step.differentiated):
        if step.operator(index) in operators and step.nodes[index].own:
            yield index


def reaches_zero(step: GraphStep, ref: Ref) -> bool:
    """Whether all that made a value gives exact zeros in training."""
    return bool(surely(step, ref, lambda made: _gives_zero(step, made)))


def _gives_zero(step: GraphStep, made: Ref) -> bool:
    operator = step.operator(made.node)
    sources = step.sources(made.node)
    if is_square(step, made) or operator == "abs":
        return not made_by(step, sources[0], "exp", "softplus")
    if operator in _ZERO or is_cut(step, made):
        return True
    if operator in ("sqrt", "div") and sources:
        return reaches_zero(step, sources[0])
    if operator in ("sum", "mean"):
        return bool(surely(step, sources[0], lambda part: _vanishes_as_a_whole(step, part)))
    return False


def _vanishes_as_a_whole(step: GraphStep, made: Ref) -> bool:
    return step.operator(made.node) in _WHOLE or is_square(step, made) or is_cut(step, made)


def is_square(step: GraphStep, made: Ref) -> bool:
    """Whether a value is the square, or an even power, of another."""
    operator = step.operator(made.node)
    if operator == "pow":
        return step.nodes[made.node].arguments.get("exponent") in (2, 4)
    sources = step.sources(made.node)
    return operator == "square" or (operator == "mul" and len(sources) == 2 and len(set(sources)) == 1)


def is_cut(step: GraphStep, made: Ref) -> bool:
    """Whether a value is 0 wherever something was below it: ReLU, `clamp(min=0)`."""
    lowest = step.nodes[made.node].arguments.get("min")
    operator = step.operator(made.node)
    return operator == "relu" or (operator in ("clamp", "clamp_min") and lowest == 0)


def vanishing_divisor(step: GraphStep, ref: Ref) -> Ref | None:
    """The norm, deviation, or sum of non-negative parts that a divisor is, where it can be zero."""

    def vanishes(made: Ref) -> bool:
        operator = step.operator(made.node)
        return operator in ("linalg_vector_norm", "std") or (
            operator in ("sum", "mean", "sqrt") and _gives_zero(step, made)
        )

    return next(iter(surely(step, ref, vanishes)), None)


def goes_dead(step: GraphStep, ref: Ref) -> bool:
    """Whether a value is zero because a ReLU behind it is dead."""
    waiting, seen = [ref], set()
    while waiting:
        for made in makers(
            step, waiting.pop(), frozenset({"linalg_vector_norm", "sum", "mean", "sqrt", "abs"})
        ):
            if is_cut(step, made):
                return True
            if made not in seen and (is_square(step, made) or step.operator(made.node) == "mul"):
                seen.add(made)
                waiting += step.sources(made.node)
    return False


def is_distance(step: GraphStep, made: Ref) -> bool:
    """The squared distance of two points along an axis, or the sum of two squares that are both learned."""
    sources = step.sources(made.node)
    if step.operator(made.node) == "add" and len(sources) == 2:
        return all(
            step.nodes[part.node].grad and bool(surely(step, part, lambda part: is_square(step, part)))
            for part in sources
        )
    if step.operator(made.node) != "sum" or not step.nodes[made.node].arguments.get("dim"):
        return False

    def squared_difference(part: Ref) -> bool:
        return is_square(step, part) and bool(
            surely(
                step,
                step.sources(part.node)[0],
                lambda base: step.operator(base.node) == "sub" or is_cut(step, base),
            )
        )

    return bool(surely(step, sources[0], squared_difference))


def is_cosine(step: GraphStep, made: Ref) -> bool:
    """A product of vectors of which neither is a weight: a cosine, if the author means an angle."""
    operator, sources = step.operator(made.node), step.sources(made.node)
    if operator in ("mm", "bmm", "dot", "mv"):
        return layer_behind(step, made) is None
    if operator == "sum":
        return bool(surely(step, sources[0], lambda part: _is_product(step, part)))
    return operator == "div" and bool(surely(step, sources[0], lambda part: is_cosine(step, part)))


def _is_product(step: GraphStep, made: Ref) -> bool:
    return step.operator(made.node) == "mul" and len(set(step.sources(made.node))) == 2


def unscaled(step: GraphStep, ref: Ref) -> Ref:
    """A value without its sign and constant factors."""
    while True:
        ref = step.origin(ref)
        factors = [source for source in step.sources(ref.node) if step.nodes[source.node].op != "constant"]
        if step.operator(ref.node) not in ("neg", "mul", "div") or len(factors) != 1:
            return ref
        ref = factors[0]


def untaken_risks(step: GraphStep) -> list[tuple[int, int]]:
    """(where, operation): an operation in a branch that is not finite exactly where the condition, a test on
    the same tensor, does not choose it."""
    found = []
    for index in trained(step, "where"):
        condition, *branches = step.sources(index)
        tested = _tested(step, condition)
        for branch in branches:
            for risk in _risks(step, branch):
                sources = step.sources(risk)
                operand = sources[1 if step.operator(risk) == "div" and len(sources) > 1 else 0]
                if step.origin(operand) in tested and step.nodes[operand.node].grad:
                    found.append((index, risk))
    return found


def _risks(step: GraphStep, branch: Ref) -> Iterator[int]:
    waiting, seen = [branch.node], set()
    while waiting:
        index = waiting.pop()
        if index in seen or not step.nodes[index].grad:
            continue
        seen.add(index)
        if step.operator(index) in _RISKY:
            yield index
        elif step.operator(index) in _SAME_PLACE:
            waiting += [source.node for source in step.sources(index)]


def _tested(step: GraphStep, condition: Ref) -> set[Ref]:
    """What the condition compares."""
    found: set[Ref] = set()
    waiting = [condition.node]
    while waiting:
        index = waiting.pop()
        sources = step.sources(index)
        if step.operator(index) in _COMPARED:
            found |= {step.origin(source) for source in sources}
        elif step.operator(index) in SAME_NUMBERS | {
            "logical_and",
            "logical_or",
            "logical_not",
            "bitwise_and",
            "bitwise_or",
            "bitwise_not",
        }:
            waiting += [source.node for source in sources]
    return found
