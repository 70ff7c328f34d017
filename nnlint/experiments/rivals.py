"""How simple predictions do on the batches on which the model is trained: a constant, and a linear fit."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import REAL, measured

RIVALS = measured(REAL, "rivals")

# The linear fit sees the first two thirds of the batches; all are judged on the last third.
FITTED = 2 / 3
# An input of more numbers is left out: the fit would have too few samples.
MOST_FEATURES = 4096


@dataclass(frozen=True, slots=True)
class Rivals:
    """One loss function of a training loop, over the last batches, which the model has not trained on before.

    For classes, `model` and `linear` are balanced accuracies (the mean over classes of the share found), and
    `constant` is 1 / classes. For values they are losses, and `constant` that of the best constant.
    `linear` is None where no fit could be made. `before` is the model's mean loss over the middle third,
    `after` over the last, `chance` the mean loss of the best constant there.
    """

    loss: str
    place: Place | None
    steps: int
    samples: int
    classes: int
    # Of the most frequent class among the targets, and of the class that the model predicts most often.
    majority: float
    predicted: float
    weighted: bool
    model: float
    constant: float
    linear: float | None
    before: float
    after: float
    chance: float


def stalled(rivals: Rivals) -> bool:
    """Whether the loss no longer falls, and stands no lower than that of a constant."""
    return rivals.after >= 0.98 * rivals.before and rivals.after >= 0.97 * rivals.chance
