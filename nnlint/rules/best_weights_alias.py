"""See rules/best-weights-alias.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Change, Draft, Insertion, Problem, Rule
from nnlint.static.imports import binds, first_import, spelling
from nnlint.static.kept import Kept, kept_models, kept_states

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class BestWeightsAlias(Rule):
    words = ("state_dict", "best")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for kept in (*kept_states(script), *kept_models(script)):
            node = kept.fact.node if kept.whole else kept.call.node
            if node is None:
                continue
            code = script.text(kept.fact.node.value if kept.whole else kept.call.node)  # type: ignore[attr-defined]
            what = "is the model itself" if kept.whole else "holds references to the model's tensors"
            related = (
                ((kept.use.node, "used here, after more training"),)
                if kept.use is not None and kept.use.node is not None
                else ()
            )
            yield self.problem(
                node,
                f"`{kept.name} = {code}` {what}, which training goes on changing: what is kept as "
                f"best ends up as the "
                f"last weights; keep a copy, `copy.deepcopy({code})`",
                related=related,
                fix=_fix(script, kept),
            )


def _fix(script: ScriptModel, kept: Kept) -> Draft | None:
    node = kept.fact.node.value if kept.whole else kept.call.node  # type: ignore[attr-defined]
    if not isinstance(node, cst.BaseExpression):
        return None
    name = spelling(script.module, "copy", "deepcopy")
    changes: list[Change] = [
        Insertion(node, f"{name or 'copy.deepcopy'}("),
        Insertion(node, ")", after=True),
    ]
    if name is None:
        anchor = first_import(script.module)
        if anchor is None or binds(script.module, "copy"):
            return None
        changes.append(Insertion(anchor, "import copy", line=True))
    return Draft("keep a copy", tuple(changes))
