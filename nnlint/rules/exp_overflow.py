"""See rules/exp-overflow.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import SAME_SCALE, is_raw, surely
from nnlint.static.values import EventKind, Kind, Value
from nnlint.static.zeros import in_training_graph

if TYPE_CHECKING:
    from nnlint.graph.nodes import Ref
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# Between an exponential and the sum or division that makes a softmax of it.
BETWEEN = SAME_SCALE | {"mul", "masked_fill", "masked_fill_", "dropout"}
MESSAGE = (
    "this is {what} written out: `exp` overflows to inf beyond 88 (11 in float16), and nothing bounds "
    "{name}, so the result or its gradient becomes NaN; use `{better}`"
)


class ExpOverflow(Rule):
    words = ("exp",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not any(True for _ in script.calls_of("exp")):
            return
        trains = any(True for _ in script.events_of(EventKind.BACKWARD))
        for call in script.calls_of("div", "reciprocal", "log", "log1p"):
            found = _written_out(call)
            if found is None or call.node is None:
                continue
            # What the loss is computed from, a teacher's part included.
            learnt = id(call) in script.evaluations.back_propagated if trains else in_training_graph(call)
            exponential, what, better = found
            if learnt and surely(_unscaled(exponential.args[0]), _unbounded):
                name = script.name_of(exponential.args[0], "its argument")
                yield self.problem(
                    call.node,
                    MESSAGE.format(what=what, name=f"`{name}`", better=better),
                    related=((exponential.node, "overflows here"),),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import edges, makers

        for index in edges.trained(step, "div", "reciprocal", "log", "log1p"):
            found = _formula(step, index)
            if found is None:
                continue
            exponential, what, better = found
            operand = step.sources(exponential)[0]
            if makers.surely(step, edges.unscaled(step, operand), lambda made: makers.is_raw(step, made)):
                yield Sighting(
                    step.nodes[index].place,
                    MESSAGE.format(what=what, name=step.called(operand), better=better),
                    related=((step.nodes[exponential].place, "overflows here"),),
                )


def _unbounded(value: Value) -> bool:
    """The output of a layer, or `x @ weight + bias` with weights that are trained."""
    if value.op == "add":
        return any(_unbounded(part) for part in value.args)
    if value.op not in {"matmul", "mm"} or len(value.args) < 2:
        return is_raw(value)
    weight = value.args[1]
    requires = weight.kwargs.get("requires_grad")
    return weight.kind is Kind.PARAMETER or (requires is not None and requires.is_const(True))


def _formula(step: GraphStep, index: int) -> tuple[int, str, str] | None:
    """`_written_out` on the operators of a recorded step."""
    operator, sources = step.operator(index), step.sources(index)
    (terms, one) = _summands(step, sources[-1])
    exponentials = [found for term in terms if (found := _exp_at(step, term)) is not None]
    if operator == "reciprocal" or (operator == "div" and step.nodes[sources[0].node].op == "constant"):
        return (exponentials[0], "a sigmoid", "torch.sigmoid") if one and exponentials else None
    if operator == "log1p":
        return (exponentials[0], "a softplus", "F.softplus") if exponentials and not one else None
    if operator == "log" and one:
        return (exponentials[0], "a softplus", "F.softplus") if exponentials else None
    sums = [step.sources(term.node)[0] for term in terms if step.operator(term.node) == "sum"]
    summed = _exp_at(step, sums[0]) if sums else None
    if summed is None or operator == "log":
        return (summed, "a log-sum-exp", "torch.logsumexp") if summed is not None else None
    above = _exp_at(step, sources[0]) if operator == "div" else None
    same = above is not None and step.sources(above)[0] == step.sources(summed)[0]
    return (summed, "a softmax", "torch.softmax") if same else None


def _summands(step: GraphStep, ref: Ref) -> tuple[list[Ref], bool]:
    """The tensors that are added up, and whether 1 is added to them."""
    ref = step.origin(ref)
    if step.operator(ref.node) != "add":
        return [ref], False
    terms = [step.origin(source) for source in step.sources(ref.node)]
    return terms, step.nodes[ref.node].arguments.get("other") == 1


def _exp_at(step: GraphStep, ref: Ref) -> int | None:
    from nnlint.graph import makers

    found = makers.made_by(step, ref, "exp")
    return found[0].node if len(found) == 1 else None


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
        if value.op in {"neg", "masked_fill"} and value.args:
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
