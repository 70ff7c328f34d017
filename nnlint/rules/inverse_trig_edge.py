"""See rules/inverse-trig-edge.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import surely
from nnlint.static.values import Kind, Value
from nnlint.static.zeros import in_training_graph, untaken_risks

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

EDGED = frozenset({"acos", "asin", "atanh"})
PRODUCTS = frozenset({"cosine_similarity", "matmul", "dot", "einsum"})
MESSAGE = (
    "{name} reaches -1 and 1 when the vectors are parallel, and rounding takes it beyond: there the "
    "gradient of `{what}` is infinite, or its value NaN; clamp it to a little less than 1 first, or use "
    "`torch.atan2`"
)


class InverseTrigEdge(Rule):
    words = ("acos", "arccos", "asin", "arcsin", "atanh", "arctanh")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        elsewhere = {id(value) for _, value in untaken_risks(script)}
        for call in script.calls_of(*EDGED):
            if id(call) in elsewhere or not call.args or call.node is None or not in_training_graph(call):
                continue
            if surely(call.args[0], _is_cosine):
                operand = script.name_of(call.args[0], "its argument")
                yield self.problem(
                    call.node,
                    MESSAGE.format(name=f"`{operand}`", what=call.op),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import edges
        from nnlint.graph.makers import surely as surely_made

        elsewhere = {risk for _, risk in edges.untaken_risks(step)}
        for index in edges.trained(step, *EDGED):
            operand = step.sources(index)[0]
            if index not in elsewhere and surely_made(
                step, operand, lambda made: edges.is_cosine(step, made)
            ):
                message = MESSAGE.format(name=step.called(operand), what=step.operator(index))
                yield Sighting(step.nodes[index].place, message)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.edge import met

        for backward, what in ((False, "it is not finite"), (True, "its gradient is infinite")):
            for edge in met(seen, EDGED | {"acosh"}, backward=backward):
                yield edge.sighting(
                    f"`{edge.source.op}` reached the edge of its domain here{edge.where}, where {what}, and "
                    "loss or weights are lost from there on; clamp its argument to a little less than 1 "
                    "first, or use `torch.atan2`"
                )


def _is_cosine(value: Value) -> bool:
    """A product of vectors: a cosine, if the author means an angle."""
    if value.op in PRODUCTS:
        return True
    if value.op == "sum":
        return bool(value.args) and bool(surely(value.args[0], _is_product))
    return value.op == "div" and bool(value.args) and bool(surely(value.args[0], _is_cosine))


def _is_product(value: Value) -> bool:
    return value.op == "mul" and not any(part.kind in (Kind.CONST, Kind.NUMBER) for part in value.args)
