"""See rules/where-nan-gradient.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.zeros import untaken_risks

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

MESSAGE = (
    "{what} is computed for every element, and where it is not finite the branch that `torch.where` does not "
    "take still sends 0 * inf = NaN back; make its input safe first, with an inner `torch.where` or `clamp`"
)
RELATED = "the operation whose gradient is not finite"


class WhereNanGradient(Rule):
    words = ("where",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for where, risk in untaken_risks(script):
            if where.node is None or risk.node is None:
                continue
            yield self.problem(
                where.node,
                MESSAGE.format(what=f"`{script.text(risk.node, 40)}`"),
                related=((risk.node, RELATED),),
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import edges

        for index, risk in edges.untaken_risks(step):
            operand = step.called(step.sources(risk)[-1])
            yield Sighting(
                step.nodes[index].place,
                MESSAGE.format(what=f"`{step.spoken(risk)}` of {operand}"),
                related=((step.nodes[risk].place, RELATED),),
            )
