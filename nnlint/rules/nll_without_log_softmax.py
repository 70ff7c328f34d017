"""See rules/nll-without-log-softmax.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import PROBABILITIES, is_raw, losses_of, surely

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

RAW = (
    "{name} holds raw scores, but the negative log likelihood expects log-probabilities: the loss falls "
    "without bound as the scores grow; apply `log_softmax` first, or use cross-entropy"
)
PROBABLE = (
    "{what} gives probabilities, but the negative log likelihood of {name} expects log-probabilities: "
    "without the logarithm wrong answers are hardly punished; use `log_softmax`"
)


class NllWithoutLogSoftmax(Rule):
    words = ("nll_loss", "NLLLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "nll_loss"):
            name = script.name_of(loss.prediction, "the prediction")
            for layer in surely(loss.prediction, is_raw)[:1]:
                yield self.problem(
                    loss.node,
                    RAW.format(name=f"`{name}`"),
                    related=((loss.place(layer), "the last layer, with no log-softmax after it"),),
                )
            for value in surely(loss.prediction, lambda value: value.op in PROBABILITIES):
                yield self.problem(
                    loss.place(value),
                    PROBABLE.format(what=value.op, name=f"`{name}`"),
                    related=((loss.node, "the loss"),),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import makers
        from nnlint.graph.criteria import criteria

        for loss in criteria(step, "nll_loss"):
            place = step.nodes[loss.node].place
            name = step.called(loss.prediction)
            for made in makers.surely(step, loss.prediction, lambda made: makers.is_raw(step, made))[:1]:
                yield Sighting(
                    place,
                    RAW.format(name=name),
                    related=((step.nodes[made.node].place, "the last layer, with no log-softmax after it"),),
                )
            for made in makers.made_by(step, loss.prediction, "_softmax", "sigmoid"):
                yield Sighting(
                    step.nodes[made.node].place,
                    PROBABLE.format(what=step.spoken(made.node), name=name),
                    related=((place, "the loss"),),
                )
