"""See rules/infinite-gradient-root.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import argument
from nnlint.static.scores import surely
from nnlint.static.values import EventKind, Kind, Value
from nnlint.static.zeros import in_training_graph, untaken_risks

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

SQUARES = frozenset({"square", "abs"})
CUT = frozenset({"relu", "relu6"})
_REST = (
    "there the gradient of the root is infinite, NaN after the next multiplication by 0; add a small eps "
    "inside the root, or use `torch.linalg.vector_norm`"
)
CUT_OFF = "{name} is exactly 0 wherever it was cut off, and " + _REST
COINCIDE = "{name} is 0 where two points coincide or a signal is silent, and " + _REST


class InfiniteGradientRoot(Rule):
    words = ("sqrt", "pow", "**")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        elsewhere = {id(value) for _, value in untaken_risks(script)}
        trains = any(True for _ in script.events_of(EventKind.BACKWARD))
        for call in script.calls_of("sqrt", "pow"):
            if not call.args or call.node is None or id(call) in elsewhere or not _is_root(call):
                continue
            if not in_training_graph(call):
                continue
            if trains and id(call) not in script.evaluations.back_propagated:
                continue  # a figure that is only printed
            name = script.name_of(call.args[0], "its argument")
            if surely(call.args[0], _cut_at_zero):
                message = CUT_OFF.format(name=f"`{name}`")
            elif surely(call.args[0], _is_distance):
                message = COINCIDE.format(name=f"`{name}`")
            else:
                continue
            yield self.problem(call.node, message)

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import edges
        from nnlint.graph.makers import surely as surely_made

        elsewhere = {risk for _, risk in edges.untaken_risks(step)}
        for index in edges.trained(step, "sqrt", "pow"):
            power = step.nodes[index].arguments.get("exponent", 0.5)
            if index in elsewhere or not isinstance(power, float) or not 0 < power < 1:
                continue
            operand = step.sources(index)[0]
            if surely_made(step, operand, lambda made: edges.is_cut(step, made)):
                message = CUT_OFF
            elif surely_made(step, operand, lambda made: edges.is_distance(step, made)):
                message = COINCIDE
            else:
                continue
            yield Sighting(step.nodes[index].place, message.format(name=step.called(operand)))

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.edge import met

        for edge in met(seen, ("sqrt", "pow"), backward=True):
            yield edge.sighting(
                f"the root here{edge.where} was taken of exactly 0, where its gradient is infinite: every "
                "gradient behind it is lost, and the weights with the next update, though the loss need not "
                "show it; add a small eps inside the root, or use `torch.linalg.vector_norm`"
            )


def _is_root(call: Value) -> bool:
    if call.op == "sqrt":
        return True
    power = call.args[1].const if len(call.args) > 1 else None
    return type(power) is float and 0 < power < 1


def _cut_at_zero(value: Value) -> bool:
    """ReLU, `clamp(min=0)`."""
    if value.op in CUT:
        return True
    lowest = argument(value, "min") if value.op == "clamp" else None
    return lowest is not None and lowest.is_const(0, 0.0)


def _is_distance(value: Value) -> bool:
    """The squared distance of two points along an axis, or of two squares: zero for single samples, unlike a
    mean over everything."""
    if value.op == "add" and len(value.args) == 2:
        # `d ** 2 + c ** 2` with a given c never is 0: that is how the pseudo-Huber loss is written.
        return all(bool(surely(part, _is_square)) and in_training_graph(part) for part in value.args)
    if value.op != "sum" or not value.args:
        return False
    along = "dim" in value.kwargs or "axis" in value.kwargs or len(value.args) > 1
    return along and bool(surely(value.args[0], _is_squared_difference))


def _is_squared_difference(value: Value) -> bool:
    """Two points may coincide; a vector is hardly ever zero by itself, unless its units are dead."""
    return _is_square(value) and bool(surely(value.args[0], lambda part: part.op == "sub" or part.op in CUT))


def _is_square(value: Value) -> bool:
    if value.op == "mul" and len(value.args) == 2:
        return value.args[0] is value.args[1] and value.args[0].kind is Kind.TENSOR
    return value.op in SQUARES or (
        value.op == "pow" and len(value.args) > 1 and value.args[1].is_const(2, 4, 2.0)
    )
