"""See rules/bce-mismatch.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import PROBABILITIES, is_raw, losses_of, surely

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# What makes a logit unable to express one of the two answers.
BOUNDED = PROBABILITIES | {"relu"}
RAW = (
    "{name} holds raw scores, but `BCELoss` expects probabilities and fails, or goes wrong, outside of [0, "
    "1]; use the loss with logits (`BCEWithLogitsLoss`)"
)
SQUASHED = (
    "{what} is applied to {name} before a loss that expects raw logits and applies a sigmoid itself: a score "
    "above zero is already a yes, so the answer no is out of reach; pass the logits"
)


class BceMismatch(Rule):
    words = ("binary_cross_entropy", "BCELoss", "BCEWithLogitsLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "binary_cross_entropy"):
            name = script.name_of(loss.prediction, "the prediction")
            for layer in surely(loss.prediction, is_raw)[:1]:
                yield self.problem(
                    loss.node,
                    RAW.format(name=f"`{name}`"),
                    related=((loss.place(layer), "the last layer, with no sigmoid after it"),),
                )
        for loss in losses_of(script, "binary_cross_entropy_with_logits"):
            name = script.name_of(loss.prediction, "the prediction")
            for value in surely(loss.prediction, lambda value: value.op in BOUNDED):
                yield self.problem(
                    loss.place(value),
                    SQUASHED.format(what=value.op, name=f"`{name}`"),
                    related=((loss.node, "the loss"),),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import makers
        from nnlint.graph.criteria import criteria

        for loss in criteria(step, "binary_cross_entropy"):
            for made in makers.surely(step, loss.prediction, lambda made: makers.is_raw(step, made))[:1]:
                yield Sighting(
                    step.nodes[loss.node].place,
                    RAW.format(name=step.called(loss.prediction)),
                    related=((step.nodes[made.node].place, "the last layer, with no sigmoid after it"),),
                )
        for loss in criteria(step, "binary_cross_entropy_with_logits"):
            for made in makers.made_by(step, loss.prediction, *makers.PROBABILITIES, "relu"):
                yield Sighting(
                    step.nodes[made.node].place,
                    SQUASHED.format(what=step.spoken(made.node), name=step.called(loss.prediction)),
                    related=((step.nodes[loss.node].place, "the loss"),),
                )
