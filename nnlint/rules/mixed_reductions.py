"""See rules/mixed-reductions.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.reductions import reduction
from nnlint.static.terms import ADDS, SUBTRACTS, whole_terms

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# A term with a smaller weight was balanced by hand, at the batch size of the script.
TUNED = 0.1


class MixedReductions(Rule):
    words = ("sum",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        told: set[tuple[int, int]] = set()
        for call in script.calls_of(*ADDS, *SUBTRACTS):
            if call.node is None or call.grad is False:
                continue
            found = [
                (term, kind) for term in whole_terms(call) if (kind := reduction(term.value)) is not None
            ]
            mean = next((term for term, kind in found if kind == "mean"), None)
            total = next((term for term, kind in found if kind == "sum"), None)
            if mean is None or total is None or min(abs(mean.factor), abs(total.factor)) < TUNED:
                continue
            key = (id(mean.value.node), id(total.value.node))
            if key in told:
                continue
            told.add(key)
            averaged, summed = (script.name_of(term.value, "a term") for term in (mean, total))
            yield self.problem(
                call.node,
                f"`{averaged}` is a mean over the batch and `{summed}` a sum over it, so their balance "
                f"changes with the batch size; reduce both the same way: sum over the features, then mean "
                f"over the samples",
                related=tuple(
                    (term.value.node, how)
                    for term, how in ((mean, "a mean"), (total, "a sum"))
                    if term.value.node is not None
                ),
            )
