"""See rules/activation-before-cross-entropy.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

SQUASHING = {
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "softmin": "softmin",
    "gumbel_softmax": "Gumbel softmax",
}
IDEMPOTENT = {"log_softmax"}


class ActivationBeforeCrossEntropy(Rule):
    words = ("cross_entropy", "CrossEntropyLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in script.losses:
            if loss.call.op != "cross_entropy" or not loss.call.args:
                continue
            for value in loss.call.args[0].sources(LOOK_THROUGH):
                if value.op in SQUASHING:
                    yield self._squashed(script, loss.call, value)
                elif value.op in IDEMPOTENT:
                    yield self.problem(
                        value.node,
                        f"{script.text(loss.call.node)} applies log-softmax itself; the one before it changes nothing",
                        severity=Severity.INFO,
                    )

    def _squashed(self, script: ScriptModel, loss: Value, value: Value) -> Problem:
        prediction = script.name_of(loss.args[0], "the prediction")
        return self.problem(
            value.node,
            f"{SQUASHING[value.op]} is applied to `{prediction}` before cross-entropy, which expects raw logits: it "
            f"applies log-softmax itself, so the gradients shrink and the loss cannot approach zero; pass the logits",
            related=((loss.node, "the loss"),) if loss.node is not None else (),
        )
