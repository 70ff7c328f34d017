"""See rules/mixed-reductions.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.reductions import reduction
from nnlint.static.terms import ADDS, SUBTRACTS, Term, whole_terms

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

# A term with a smaller weight was balanced by hand, at the batch size of the script.
TUNED = 0.1


class MixedReductions(Rule):
    words = ("sum",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        told: set[tuple[int, int]] = set()
        for call in script.calls_of(*ADDS, *SUBTRACTS):
            if call.node is None or call.grad is False:
                continue
            kinds = {reduction(term.value): term for term in whole_terms(call) if abs(term.factor) >= TUNED}
            mean, total = kinds.get("mean"), kinds.get("sum")
            if mean is None or total is None:
                continue
            key = (id(mean.value.node), id(total.value.node))
            if key in told:
                continue
            told.add(key)
            averaged, summed = (_name(script, call, term) for term in (mean, total))
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


def _name(script: ScriptModel, call: Value, term: Term) -> str:
    """What the script calls a term, with its factor or without."""
    for part in call.graph(lambda part: part is term.value):
        if part is not call and part.name and [other.value for other in whole_terms(part)] == [term.value]:
            return part.name
    return script.name_of(term.value, "a term")
