"""See rules/nll-without-log-softmax.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.scores import PROBABILITIES, is_raw, losses_of, surely

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class NllWithoutLogSoftmax(Rule):
    words = ("nll_loss", "NLLLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "nll_loss"):
            name = script.name_of(loss.prediction, "the prediction")
            for layer in surely(loss.prediction, is_raw)[:1]:
                yield self.problem(
                    loss.node,
                    f"`{name}` holds raw scores, but the negative log likelihood expects log-probabilities: "
                    f"the loss falls without bound as the scores grow; apply `log_softmax` first, or use "
                    f"cross-entropy",
                    related=((loss.place(layer), "the last layer, with no log-softmax after it"),),
                )
            for value in surely(loss.prediction, lambda value: value.op in PROBABILITIES):
                yield self.problem(
                    loss.place(value),
                    f"{value.op} gives probabilities, but the negative log likelihood of `{name}` expects "
                    f"log-probabilities: without the logarithm wrong answers are hardly punished; use "
                    f"`log_softmax`",
                    related=((loss.node, "the loss"),),
                )
