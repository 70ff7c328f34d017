"""See rules/loss-not-chance-at-init.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.first_loss import FIRST_LOSS, Call, FirstLoss
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# How many times the loss of guessing is far, by what is compared.
_SCORES = 3.0
_FAR = {
    "cross_entropy": _SCORES,
    "nll_loss": _SCORES,
    "binary_cross_entropy": _SCORES,
    "binary_cross_entropy_with_logits": _SCORES,
    "multi_margin_loss": _SCORES,
    "soft_margin_loss": _SCORES,
    "multilabel_margin_loss": _SCORES,
    "multilabel_soft_margin_loss": _SCORES,
    # Distances that begin several margins wide are common, and soon brought in.
    "hinge_embedding_loss": 3 * _SCORES,
    "kl_div": 2 * _SCORES,
}
_FAR_VALUES = {"mse_loss": 12.0, "l1_loss": 5.0, "smooth_l1_loss": 8.0, "huber_loss": 8.0}
# In standard deviations of the targets.
_OFF = 3.0
# Targets that hardly differ within the batch say nothing about what guessing costs.
_LEAST = 1e-6
# Of fewer values it is not known how far they spread.
_SAMPLES = 16


class LossNotChanceAtInit(Rule):
    continuations = (FIRST_LOSS,)
    explained_by = (
        "target-out-of-range",
        "nan-inf-origin",
        "loss-broadcast",
        "activation-before-cross-entropy",
    )

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        trajectory = seen.trajectories.get(FIRST_LOSS.name)
        first = trajectory.measure(FirstLoss) if trajectory else None
        told = set()
        if first is not None and not any(
            call.name in _FAR or call.name in _FAR_VALUES for call in first.calls
        ):
            yield Skip("the first loss is made of no function of which it is known what guessing gives")
        for call in first.calls if first else ():
            guess = max(call.guess, call.chance)
            classes = call.name in _FAR
            far = _FAR.get(call.name, _FAR_VALUES.get(call.name))
            if far is None or guess < _LEAST or call.value <= far * guess or call.place in told:
                continue
            if not classes and (call.samples < _SAMPLES or not _elsewhere(call)):
                continue
            told.add(call.place)
            yield Sighting(
                call.place,
                _scores(call, guess) if classes else _values(call, guess),
                evidence={"loss": call.value, "guessing": guess, "best constant": call.chance},
            )


def _elsewhere(call: Call) -> bool:
    """Whether predictions as a whole lie off the targets, or spread far wider than they do."""
    (spread, mean), (deviation, center) = call.prediction, call.target
    return abs(mean - center) > _OFF * deviation or spread > _OFF * deviation


def _scores(call: Call, guess: float) -> str:
    what = f"equal scores for all {call.classes} classes give" if call.classes else "a guess gives"
    spread = f" (their standard deviation is {call.prediction[0]:.2g})" if call.prediction else ""
    return (
        f"the first loss is {call.value:.4g} where {what} {guess:.4g}: the model begins sure of wrong "
        f"answers{spread}, and the first steps only undo that; scale the inputs to about one, draw smaller "
        "weights for the last layer, and check that it is scores that the loss is given"
    )


def _values(call: Call, guess: float) -> str:
    deviation, mean = call.target
    return (
        f"the first loss is {call.value:.4g} where predicting the mean of the targets gives {guess:.4g}: "
        f"the predictions are {call.prediction[1]:.3g} ± {call.prediction[0]:.2g}, the targets {mean:.3g} "
        f"± {deviation:.2g}, and the first steps only bring them there; standardise the targets, or start "
        "the last bias at their mean"
    )
