"""Which tensors of a training step can be exactly zero, and which operations cannot bear it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.static.gradients import CUTS, SOURCELESS
from nnlint.static.layers import evaluates_only
from nnlint.static.scores import SAME_SCALE, hand_written, is_network_call, surely
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Zero for ordinary inputs (ReLU) or by underflow (softmax, sigmoid in float32).
ZERO_OUTPUTS = frozenset({
    "relu", "relu6", "softmax", "sigmoid", "hardsigmoid", "square", "abs", "norm", "softmin",
})  # fmt: skip
DEAD = frozenset({"relu", "relu6"})
# Zero where their input is.
_ZERO_AS_INPUT = SAME_SCALE | {
    "norm",
    "sum",
    "mean",
    "sqrt",
    "abs",
    "square",
    "pow",
    "mul",
    "dropout",
    "join",
}
LOGARITHMS = frozenset({"log", "log2", "log10"})
# Somewhere in their domain not finite, or without a finite slope: 0 times that is NaN.
RISKY = frozenset({"sqrt", "rsqrt", "log", "log2", "log10", "div", "acos", "asin", "reciprocal"})
# Nothing flows back through these.
_UNRELATED = CUTS | SOURCELESS
_FIRST_ONLY = SAME_SCALE | {"take_along_dim", "masked_fill"}  # not the index, the size, the type
_SAME_PLACE = frozenset({"add", "sub", "mul", "neg"}) | SAME_SCALE


def reaches_zero(value: Value) -> bool:
    """Whether every alternative of the tensor is made by an operation that gives exact zeros in training."""
    return bool(surely(value, _gives_zero))


def _gives_zero(value: Value) -> bool:
    if value.op in {"pow", "square", "abs"} and value.args and surely(value.args[0], _positive):
        return False
    if value.op in ZERO_OUTPUTS:
        return True
    if value.op == "pow":
        return len(value.args) > 1 and value.args[1].is_const(2, 4, 2.0)
    if value.op == "sqrt":
        return bool(value.args) and reaches_zero(value.args[0])
    if value.op == "div":
        return len(value.args) > 1 and reaches_zero(value.args[0])
    if value.op in {"sum", "mean"}:
        return bool(value.args) and bool(surely(value.args[0], _vanishes_as_a_whole))
    return False


def _positive(value: Value) -> bool:
    """Above zero everywhere: a standard deviation that is made from its logarithm."""
    if value.op == "sqrt":
        return bool(value.args) and bool(surely(value.args[0], _positive))
    return value.op in {"exp", "exp_", "softplus"}


def _vanishes_as_a_whole(value: Value) -> bool:
    """Whether all elements of one slice can be zero together: a layer of dead ReLUs, a zero vector."""
    if value.op in {"relu", "relu6", "abs", "square", "norm"}:
        return True
    return value.op == "pow" and len(value.args) > 1 and value.args[1].is_const(2, 4, 2.0)


def vanishing_divisor(value: Value) -> Value | None:
    """The norm, standard deviation or sum of non-negative parts that a divisor is, where it can be zero."""
    found = surely(
        value,
        lambda part: part.op in {"norm", "std"} or (part.op in {"sum", "mean", "sqrt"} and _gives_zero(part)),
    )
    return found[0] if found else None


def goes_dead(divisor: Value) -> bool:
    """Whether dead ReLUs make it zero, and not only a vector that happens to be zero."""
    return any(
        value.op in DEAD
        for value in divisor.graph(lambda part: part.op not in _ZERO_AS_INPUT and part.result is None)
    )


def in_training_graph(value: Value) -> bool:
    """Whether autograd records it, and a gradient flows from it back to a network."""
    return (
        value.grad is True
        and value.kind is Kind.TENSOR
        and not (value.frame is not None and evaluates_only(value.frame))
        and _flows_to_network(value)
    )


def _flows_to_network(value: Value) -> bool:
    """Follows what is differentiated: no indices, no sizes, nothing made under `no_grad`."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if id(current) in seen or current.grad is False:
            continue
        seen.add(id(current))
        if hand_written(current) is not None:
            return True
        if current.op in _UNRELATED:
            continue
        if is_network_call(current) and not current.op.startswith(".get_"):  # what it keeps
            return True
        if current.op in _FIRST_ONLY and not current.alts:
            stack.extend(current.args[:1])
        elif current.op == "where" and len(current.args) == 3:
            stack.extend(current.args[1:])
        elif current.kind not in (Kind.SIZE, Kind.CONST):
            stack.extend(current.made_from())
    return False


def untaken_risks(script: ScriptModel) -> list[tuple[Value, Value]]:
    """(where, operation): a `torch.where` and the operation in one of its branches that is not finite exactly
    where the condition, a test on the same tensor, does not choose it."""
    found = []
    for call in script.calls_of("where"):
        if len(call.args) != 3 or call.grad is not True:
            continue
        tested = _tested(call.args[0])
        for branch in call.args[1:]:
            for value in branch.graph(lambda part: part.op not in _SAME_PLACE):
                operand = _operand(value)
                if (
                    operand is not None
                    and any(part is operand for part in tested)
                    and _flows_to_network(operand)
                ):
                    found.append((call, value))
    return found


def _tested(condition: Value) -> list[Value]:
    """What the condition compares."""
    return [
        operand
        for value in condition.graph(lambda part: part.op in {"gt", "lt", "ge", "le", "ne", "eq"})
        if value.op in {"gt", "lt", "ge", "le", "ne", "eq"}
        for operand in value.args
    ]


def _operand(value: Value) -> Value | None:
    """The tensor whose zero or edge makes the operation infinite."""
    if value.op not in RISKY or not value.args:
        return None
    if value.op == "div":
        return value.args[1] if len(value.args) > 1 else None
    return value.args[0]
