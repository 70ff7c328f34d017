"""Q-learning: the value picked for an action is a column, the best value of a state a vector."""

from __future__ import annotations

from nnlint.static.arguments import argument, constant
from nnlint.static.scores import is_network_call
from nnlint.static.shapes import BINARY, Shapes, origin
from nnlint.static.values import Kind, Value

CUTS = frozenset({"detach", "data", "clamp"})
DEEPEST = 8


def picked(shapes: Shapes, value: Value) -> Value | None:
    """The scores that `scores.gather(1, actions.unsqueeze(1))` picks one of, where that is the value."""
    value = origin(value)
    index = argument(value, "index") if value.op == "gather" else None
    if index is None or constant(value, "dim") not in (1, -1):
        return None
    return value.args[0] if _is_column(shapes, origin(index)) else None


def _is_column(shapes: Shapes, index: Value) -> bool:
    shape = shapes.of(index)
    if shape is not None:
        return len(shape) == 2 and shape[1] == ()
    if index.op == "unsqueeze":
        return constant(index, "dim") in (1, -1)
    return index.op == "getitem" and len(index.args) == 3 and index.args[2].is_const(None)


def best(value: Value, depth: int = 0) -> Value | None:
    """The scores whose largest, `scores.max(1)[0]`, take part in a sum or product as they are."""
    value = origin(value)
    if value.alts or depth > DEEPEST:
        return None
    if value.op == "max_values":
        whole = constant(value, "keepdim", False) is False and constant(value, "dim") in (1, -1)
        return value.args[0] if whole else None
    if value.op in CUTS and value.args:
        return best(value.args[0], depth + 1)
    if value.op in BINARY:
        found = (best(arg, depth + 1) for arg in value.args if arg.kind is not Kind.CONST)
        return next((scores for scores in found if scores is not None), None)
    return None


def same_network(first: Value, second: Value) -> bool:
    """Whether two tables of scores come from one kind of network, or from two that the file does not show."""
    made = origin(first), origin(second)
    if made[0].node is not None and made[0].node is made[1].node:
        return True
    return all(item.op == "module_call" and item.result is None and is_network_call(item) for item in made)
