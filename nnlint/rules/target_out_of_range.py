"""See rules/target-out-of-range.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.loops import LATER
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.plan import Criterion
    from nnlint.capture.supervise import Capture

BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")


class TargetOutOfRange(Rule):
    continuations = (LATER,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        for criterion in (criterion for step in seen.first_steps for criterion in step.criteria):
            if what := _wrong(criterion):
                yield Sighting(
                    criterion.place,
                    what,
                    evidence={"smallest": str(criterion.low), "largest": str(criterion.high)},
                )


def _wrong(criterion: Criterion) -> str:
    """What is wrong with the targets, and what to write; empty if nothing is."""
    name = criterion.name
    if not criterion.finite:
        return (
            f"the target given to `{name}` holds NaN or Inf, so the loss and every gradient become NaN; "
            "repair or leave out these samples before training"
        )
    if name in BINARY and (criterion.low < 0 or criterion.high > 1):
        return (
            f"the target given to `{name}` runs from {criterion.low:g} to {criterion.high:g}: outside of "
            "[0, 1] the loss has no minimum and training drives the scores to infinity; give 0 and 1 "
            "(or probabilities)"
        )
    return ""
