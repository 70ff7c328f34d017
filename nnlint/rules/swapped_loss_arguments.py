"""See rules/swapped-loss-arguments.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.scores import is_data, is_label, is_output, losses_of

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Losses whose arguments mean different things; a squared or absolute error is the same both ways round.
ASYMMETRIC = ("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")


class SwappedLossArguments(Rule):
    words = ("cross_entropy", "CrossEntropyLoss", "nll_loss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, *ASYMMETRIC):
            first, second = loss.prediction, loss.target
            if second is not None and (is_data(first) or is_label(first)) and is_output(second):
                given, wanted = script.name_of(first), script.name_of(second)
                yield self.problem(
                    loss.node,
                    f"the prediction comes first, then the target: here `{given}` stands where `{wanted}` "
                    f"belongs, so the logarithm is taken of the wrong one; swap them",
                )
