"""See rules/where-nan-gradient.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.zeros import untaken_risks

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class WhereNanGradient(Rule):
    words = ("where",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for where, risk in untaken_risks(script):
            if where.node is None or risk.node is None:
                continue
            yield self.problem(
                where.node,
                f"`{script.text(risk.node, 40)}` is computed for every element, and where it is not finite "
                f"the branch that `torch.where` does not take still sends 0 * inf = NaN back; make its "
                f"input safe first, with an inner `torch.where` or `clamp`",
                related=((risk.node, "the operation whose gradient is not finite"),),
            )
