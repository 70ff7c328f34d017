"""See rules/retained-loss-graph.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Insertion, Problem, Rule
from nnlint.static.retained import retained

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class RetainedLossGraph(Rule):
    words = ("backward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for found in retained(script):
            loss = script.text(found.leaf)
            change = "detach" if found.still_tensor else "item"
            yield self.problem(
                found.node,
                f"`{found.name}` keeps `{loss}` with its graph, and so the graph of every step until "
                f"the end of the loop: "
                f"memory grows with each batch; add the number, `{loss}.{change}()`",
                fix=_fix(found.leaf, change),
            )


def _fix(leaf: cst.BaseExpression, change: str) -> Draft | None:
    if not isinstance(leaf, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
        return None
    return Draft(f"add `.{change}()`", (Insertion(leaf, f".{change}()", after=True),))
