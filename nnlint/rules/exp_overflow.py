"""See rules/exp-overflow.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.scores import SAME_SCALE, is_raw, surely
from nnlint.static.values import EventKind, Kind, Value
from nnlint.static.zeros import in_training_graph

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Between an exponential and the sum or division that makes a softmax of it.
BETWEEN = SAME_SCALE | {"mul", "masked_fill", "masked_fill_", "dropout"}


class ExpOverflow(Rule):
    words = ("exp",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not any(True for _ in script.calls_of("exp")):
            return
        trains = any(True for _ in script.events_of(EventKind.BACKWARD))
        for call in script.calls_of("div", "reciprocal", "log", "log1p"):
            found = _written_out(call)
            if found is None or call.node is None or not in_training_graph(call):
                continue
            if trains and id(call) not in script.evaluations.back_propagated:
                continue
            exponential, what, better = found
            if surely(_unscaled(exponential.args[0]), is_raw):
                name = script.name_of(exponential.args[0], "its argument")
                yield self.problem(
                    call.node,
                    f"this is {what} written out: `exp` overflows to inf beyond 88 (11 in float16), "
                    f"and nothing bounds `{name}`, so the result or its gradient becomes NaN; use `{better}`",
                    related=((exponential.node, "overflows here"),),
                )


def _written_out(call: Value) -> tuple[Value, str, str] | None:
    """The exponential inside, what the formula is, and what to write."""
    if call.op == "div" and len(call.args) == 2:
        above, below = call.args
        if above.is_const(1, 1.0):
            return _sigmoid(below)
        exponential = _exponential(above)
        summed = next((part for part in _terms(below) if part.op == "sum" and part.args), None)
        if exponential is None or summed is None:
            return None
        other = _exponential(summed.args[0])
        same = other is not None and (other is exponential or other.args[0] is exponential.args[0])
        return (exponential, "a softmax", "torch.softmax") if same else None
    if call.op == "reciprocal" and call.args:
        return _sigmoid(call.args[0])
    if call.op == "log1p" and call.args:
        exponential = _exponential(call.args[0], frozenset())
        return (exponential, "a softplus", "F.softplus") if exponential is not None else None
    if call.op == "log" and call.args:
        terms = _terms(call.args[0])
        if len(terms) == 2 and any(part.is_const(1, 1.0) for part in terms):
            exponential = next((found for part in terms if (found := _exponential(part, frozenset()))), None)
            return (exponential, "a softplus", "F.softplus") if exponential is not None else None
        if terms and terms[0].op == "sum" and terms[0].args:
            exponential = _exponential(terms[0].args[0])
            return (exponential, "a log-sum-exp", "torch.logsumexp") if exponential is not None else None
    return None


def _sigmoid(below: Value) -> tuple[Value, str, str] | None:
    terms = _terms(below)
    if len(terms) != 2 or not any(part.is_const(1, 1.0) for part in terms):
        return None
    exponential = next((found for part in terms if (found := _exponential(part, frozenset()))), None)
    return (exponential, "a sigmoid", "torch.sigmoid") if exponential is not None else None


def _terms(value: Value) -> list[Value]:
    """The terms of a sum; an eps beside a sum is one."""
    for _ in range(20):
        if value.result is not None:
            value = value.result
        elif value.op in SAME_SCALE and value.args:
            value = value.args[0]
        else:
            break
    return value.args[:2] if value.op == "add" else [value]


def _exponential(value: Value, through: frozenset[str] = BETWEEN) -> Value | None:
    """The `exp` that it is, perhaps masked or moved."""
    for _ in range(20):
        if value.op == "exp" and value.args:
            return value
        if value.result is not None:
            value = value.result
        elif value.op == "mul" and value.op in through and _exponential(value.args[-1], through):
            value = value.args[-1]
        elif value.op in through and value.args:
            value = value.args[0]
        else:
            break
    return None


def _unscaled(value: Value) -> Value:
    """The scores themselves, without a sign or a constant factor."""
    for _ in range(20):
        if value.op == "neg" and value.args:
            value = value.args[0]
        elif value.op in {"mul", "div"} and len(value.args) == 2 and value.args[0].kind is Kind.TENSOR:
            if value.args[1].kind is Kind.TENSOR:
                break
            value = value.args[0]
        elif value.op == "mul" and value.args[0].kind is Kind.CONST:
            value = value.args[1]
        else:
            break
    return value
