"""See rules/simple-baseline.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.rivals import RIVALS, Rivals, stalled
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Of the way from guessing to perfect: the fit has gone so much of it, the model at most so much.
FIT, MODEL = 0.3, 0.1
# Fewer held-out samples tell nothing.
SAMPLES = 100


class SimpleBaseline(Rule):
    continuations = (RIVALS,)
    explained_by = ("input-independent-baseline", "overfit-small-batch")

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        real = seen.trajectories.get(RIVALS.name)
        rivals = real.measure(Rivals) if real else None
        if rivals is None or rivals.linear is None:
            yield Skip("prediction, target and input of one loss could not be told apart, or were too few")
            return
        if rivals.samples < SAMPLES or not stalled(rivals):
            return
        if rivals.classes:
            gap = 1 - rivals.constant
            worse = (
                rivals.linear - rivals.constant > FIT * gap and rivals.model - rivals.constant < MODEL * gap
            )
            figure = "balanced accuracy"
        else:
            worse = rivals.linear < (1 - FIT) * rivals.constant and rivals.model > 0.97 * rivals.constant
            figure = "loss"
        if worse:
            yield Sighting(
                rivals.place,
                f"after {rivals.steps} steps the model is no better than a constant and stands still "
                f"({figure} {rivals.model:.3g}, a constant's is {rivals.constant:.3g}), and a linear fit to "
                f"the same batches reaches {rivals.linear:.3g}: the inputs hold what is asked for and the "
                "training does not find it; look at the learning rate, at the scale of the inputs and at "
                "what reaches the loss",
                evidence={"model": rivals.model, "constant": rivals.constant, "linear": rivals.linear},
            )
