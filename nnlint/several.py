"""What of a run makes sense where several processes run the script together."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.capture.plan import Continuation
from nnlint.failures import describe
from nnlint.finding import NotRun
from nnlint.rule import Rule

# What these measure, each rank measures alike on its own share. The others call the model by themselves, or
# compare data that no single rank has.
_TOGETHER = frozenset({"fit", "first_loss", "health", "epochs", "shares"})
# Rules can do without these: one looks for more first steps, by forking, the other calls the model by itself.
_SPARED = ("later", "arguments")
_WHY = (
    "forks, calls the model by itself or looks through the data, in one process only: run the script without "
    "--nproc-per-node"
)


def together(rules: Sequence[Rule], target: str) -> tuple[list[Rule], list[NotRun]]:
    """The rules that judge such a run, and why the others do not."""
    kept: list[Rule] = []
    skipped: list[NotRun] = []
    if any("G" in rule.page.tiers for rule in rules):
        skipped.append(NotRun("graph of the first training step", "is recorded in one process only", target))
    wanted = {name for rule in rules for entry in rule.continuations for name in entry.meters}
    skipped += [NotRun(f"experiment {name}", _WHY, target) for name in _SPARED if name in wanted]
    for rule in rules:
        if "E" not in rule.page.tiers:
            continue
        if all(sensible(entry) for entry in rule.continuations if not _spared(entry)):
            kept.append(rule)
        else:
            skipped.append(NotRun(describe(rule), _WHY, target))
    return kept, skipped


def sensible(continuation: Continuation) -> bool:
    """Whether all that it measures means the same in each of several processes."""
    return _TOGETHER.issuperset(continuation.meters)


def _spared(continuation: Continuation) -> bool:
    return bool(continuation.meters) and set(continuation.meters).issubset(_SPARED)
