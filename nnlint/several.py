"""What of a run makes sense where several processes run the script together."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.capture.plan import Continuation
from nnlint.failures import describe
from nnlint.finding import NotRun
from nnlint.rule import Rule

# What these measure, each rank measures alike on its own share. The others call the model by themselves, or
# compare data that no single rank has.
_TOGETHER = frozenset({"fit", "first_loss", "health", "epochs"})
# Rules can do without these: one looks for more first steps, by forking, the other calls the model by itself.
_SPARED = (frozenset({"later"}), frozenset({"arguments"}))


def together(rules: Sequence[Rule], target: str) -> tuple[list[Rule], list[NotRun]]:
    """The rules that judge such a run, and why the others do not."""
    kept: list[Rule] = []
    skipped: list[NotRun] = []
    if any("G" in rule.page.tiers for rule in rules):
        skipped.append(NotRun("graph of the first training step", "is recorded in one process only", target))
    for rule in rules:
        if "E" not in rule.page.tiers:
            continue
        if all(sensible(entry) for entry in rule.continuations if set(entry.meters) not in _SPARED):
            kept.append(rule)
        else:
            why = "is asked of one process only: run the script without --nproc-per-node"
            skipped.append(NotRun(describe(rule), why, target))
    return kept, skipped


def sensible(continuation: Continuation) -> bool:
    """Whether all that it measures means the same in each of several processes."""
    return _TOGETHER.issuperset(continuation.meters)
