"""See rules/bce-mismatch.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.scores import PROBABILITIES, is_raw, losses_of, surely

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# What makes a logit unable to express one of the two answers.
BOUNDED = PROBABILITIES | {"relu"}


class BceMismatch(Rule):
    words = ("binary_cross_entropy", "BCELoss", "BCEWithLogitsLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "binary_cross_entropy"):
            name = script.name_of(loss.prediction, "the prediction")
            for layer in surely(loss.prediction, is_raw)[:1]:
                yield self.problem(
                    loss.node,
                    f"`{name}` holds raw scores, but `BCELoss` expects probabilities and fails, or goes "
                    f"wrong, outside of [0, 1]; use the loss with logits (`BCEWithLogitsLoss`)",
                    related=((loss.place(layer), "the last layer, with no sigmoid after it"),),
                )
        for loss in losses_of(script, "binary_cross_entropy_with_logits"):
            name = script.name_of(loss.prediction, "the prediction")
            for value in surely(loss.prediction, lambda value: value.op in BOUNDED):
                yield self.problem(
                    loss.place(value),
                    f"{value.op} is applied to `{name}` before a loss that expects raw logits and applies a "
                    f"sigmoid itself: a score above zero is already a yes, so the answer no is out of reach; "
                    f"pass the logits",
                    related=((loss.node, "the loss"),),
                )
