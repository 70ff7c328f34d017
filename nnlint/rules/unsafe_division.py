"""See rules/unsafe-division.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.zeros import goes_dead, in_training_graph, untaken_risks, vanishing_divisor

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

WORDS = {
    "norm": "norm",
    "linalg_vector_norm": "norm",
    "std": "standard deviation",
    "sum": "sum",
    "mean": "mean",
    "sqrt": "root",
}
MESSAGE = (
    "the divisor {name} is a {what} that can be exactly 0 in training: NaN or Inf here and in every "
    "gradient; add a small eps, or use `F.normalize`, which clamps it"
)


class UnsafeDivision(Rule):
    words = ("/", "div")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        elsewhere = {id(value) for _, value in untaken_risks(script)}
        for call in script.calls_of("div"):
            if (
                id(call) in elsewhere
                or len(call.args) < 2
                or call.node is None
                or not in_training_graph(call)
            ):
                continue
            divisor = vanishing_divisor(call.args[1])
            if divisor is None or not in_training_graph(divisor):
                continue
            name = script.name_of(call.args[1], "the divisor")
            yield self.problem(
                call.node,
                MESSAGE.format(name=f"`{name}`", what=WORDS[divisor.op]),
                severity=None if goes_dead(divisor) else Severity.INFO,
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import edges
        from nnlint.graph.nodes import Ref

        elsewhere = {risk for _, risk in edges.untaken_risks(step)}
        for index in edges.trained(step, "div"):
            divisor = step.nodes[index].arguments.get("other")
            if index in elsewhere or not isinstance(divisor, Ref) or not step.nodes[divisor.node].grad:
                continue
            made = edges.vanishing_divisor(step, divisor)
            if made is not None:
                what = WORDS[step.operator(made.node)]
                yield Sighting(
                    step.nodes[index].place,
                    MESSAGE.format(name=step.called(divisor), what=what),
                    severity=Severity.WARNING if edges.goes_dead(step, made) else Severity.INFO,
                )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.edge import met

        for edge in met(seen, ("div", "reciprocal"), backward=False):
            if edge.ends and edge.ends[-1][0] <= 0 <= edge.ends[-1][1]:
                low, high = edge.ends[-1]
                yield edge.sighting(
                    f"the divisor here{edge.where} had values from {low:.3g} to {high:.3g}, and what was "
                    "divided by 0 is NaN or Inf, loss and weights with it from there on; add a small eps, or "
                    "clamp the divisor"
                )
