"""See rules/class-imbalance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.rivals import RIVALS, Rivals
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# The share of the most frequent class, and of the model's most frequent answer, from which on it is said.
MAJORITY, ONE_ANSWER = 0.85, 0.99
SAMPLES = 100


class ClassImbalance(Rule):
    continuations = (RIVALS,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        real = seen.trajectories.get(RIVALS.name)
        rivals = real.measure(Rivals) if real else None
        if rivals is None or rivals.classes < 2 or rivals.weighted or rivals.samples < SAMPLES:
            return
        if MAJORITY <= rivals.majority < 1 and rivals.predicted >= ONE_ANSWER:
            yield Sighting(
                rivals.place,
                f"{rivals.majority:.0%} of the targets are of one class, and after {rivals.steps} steps the "
                f"model answers with one for {rivals.predicted:.0%} of the samples: its accuracy looks good "
                f"and its balanced accuracy is {rivals.model:.2f}; weigh the classes in the loss, or draw "
                "them evenly with a WeightedRandomSampler, and watch a balanced figure",
                evidence={"majority": rivals.majority, "balanced accuracy": rivals.model},
            )
