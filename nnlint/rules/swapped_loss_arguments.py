"""See rules/swapped-loss-arguments.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import is_data, is_label, is_output, is_raw, losses_of, network_inside, surely
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# Losses whose arguments mean different things; a squared or absolute error is the same both ways round.
ASYMMETRIC = ("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
MESSAGE = (
    "the prediction comes first, then the target: here {given} stands where {wanted} belongs, so the "
    "logarithm is taken of the wrong one; swap them"
)


class SwappedLossArguments(Rule):
    words = ("cross_entropy", "CrossEntropyLoss", "nll_loss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, *ASYMMETRIC):
            first, second = loss.prediction, loss.target
            if second is None or not is_output(second):
                continue
            if is_data(first) or is_label(first) or _scores_as_target(first, second):
                given, wanted = script.name_of(first), script.name_of(second)
                yield self.problem(
                    loss.node,
                    MESSAGE.format(given=f"`{given}`", wanted=f"`{wanted}`"),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.criteria import criteria
        from nnlint.graph.makers import learned

        for loss in criteria(step, *ASYMMETRIC):
            # A gradient that flows into the target only: nothing else is trained by this loss.
            if not step.nodes[loss.prediction.node].grad and learned(step, loss.target):
                given, wanted = step.called(loss.prediction), step.called(loss.target)
                yield Sighting(
                    step.nodes[loss.node].place,
                    MESSAGE.format(given=given, wanted=wanted),
                )


def _scores_as_target(first: Value, second: Value) -> bool:
    """Whether raw scores that are trained stand as the target of something that no network made."""
    if network_inside(first) or first.kind not in (Kind.TENSOR, Kind.UNKNOWN):
        return False
    learned = any(part.kind in (Kind.PARAMETER, Kind.MODULE) for part in first.graph())
    return not learned and second.grad is not False and bool(surely(second, is_raw))
