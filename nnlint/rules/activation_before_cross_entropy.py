"""See rules/activation-before-cross-entropy.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.scores import losses_of, surely

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

SQUASHING = {
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "softmin": "softmin",
    "gumbel_softmax": "Gumbel softmax",
    "hardsigmoid": "hard sigmoid",
}


class ActivationBeforeCrossEntropy(Rule):
    words = ("cross_entropy", "CrossEntropyLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "cross_entropy"):
            name = script.name_of(loss.prediction, "the prediction")
            for value in surely(loss.prediction, lambda value: value.op in SQUASHING):
                yield self.problem(
                    loss.place(value),
                    f"{SQUASHING[value.op]} is applied to `{name}` before cross-entropy, which expects raw "
                    f"logits: it applies log-softmax itself, so the gradients shrink and the loss cannot "
                    f"approach zero; pass the logits",
                    related=((loss.node, "the loss"),),
                )
            for value in surely(loss.prediction, lambda value: value.op == "log_softmax"):
                yield self.problem(
                    loss.place(value),
                    f"{script.text(loss.node)} applies log-softmax itself; the one before it changes nothing",
                    severity=Severity.INFO,
                )
