"""The first loss, beside what guessing gives, and the terms that it was added up from."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import FIRST, measured

FIRST_LOSS = measured(FIRST, "first_loss")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a loss of torch.nn.functional on a prediction that can learn, summed over its elements.

    `guess` is what the same call gives for a prediction that knows nothing: equal scores or probabilities of
    one half for classes, the mean of the targets for values. `chance` is the best that a constant reaches.
    """

    name: str
    place: Place | None
    classes: int
    value: float
    guess: float
    chance: float
    # The standard deviation and the mean of the prediction and of the target; of the target only for values.
    prediction: tuple[float, ...]
    target: tuple[float, ...]
    samples: int


@dataclass(frozen=True, slots=True)
class Term:
    """What one line added to the loss. `data` says whether it compares a prediction with varying targets."""

    place: Place | None
    value: float
    data: bool
    # For data, what guessing would give, on the same scale; 0 where that is not known.
    guess: float


@dataclass(frozen=True, slots=True)
class FirstLoss:
    """What the first backward of the run was called on."""

    loss: float
    # Whether it is no result of anything, but a tensor that asks for a gradient itself.
    leaf: bool
    place: Place | None
    calls: tuple[Call, ...]
    terms: tuple[Term, ...]
