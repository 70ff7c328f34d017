"""See rules/activation-before-cross-entropy.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Applicability, Severity
from nnlint.rule import Draft, Problem, Removal, Replacement, Rule, Sighting
from nnlint.static.rewrite import code_of, lines_of, operand
from nnlint.static.scores import Loss, losses_of, surely
from nnlint.static.walk import same_code

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

SQUASHING = {
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "softmin": "softmin",
    "gumbel_softmax": "Gumbel softmax",
    "hardsigmoid": "hard sigmoid",
}
MESSAGE = (
    "{what} is applied to {name} before cross-entropy, which expects raw logits: it applies log-softmax "
    "itself, so the gradients shrink and the loss cannot approach zero; pass the logits"
)
# The same as operators of a recorded step.
SQUASHED = ("_softmax", "sigmoid", "tanh", "relu", "hardsigmoid")


class ActivationBeforeCrossEntropy(Rule):
    words = ("cross_entropy", "CrossEntropyLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "cross_entropy"):
            name = script.name_of(loss.prediction, "the prediction")
            for value in surely(loss.prediction, lambda value: value.op in SQUASHING):
                yield self.problem(
                    loss.place(value),
                    MESSAGE.format(what=SQUASHING[value.op], name=f"`{name}`"),
                    related=((loss.node, "the loss"),),
                    fix=_without(script, value, loss),
                )
            for value in surely(loss.prediction, lambda value: value.op == "log_softmax"):
                yield self.problem(
                    loss.place(value),
                    f"{script.text(loss.node)} applies log-softmax itself; the one before it changes nothing",
                    severity=Severity.INFO,
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.criteria import criteria
        from nnlint.graph.makers import made_by

        for loss in criteria(step, "cross_entropy"):
            related = ((step.nodes[loss.node].place, "the loss"),)
            for made in made_by(step, loss.prediction, *SQUASHED):
                if step.nodes[made.node].grad:
                    yield Sighting(
                        step.nodes[made.node].place,
                        MESSAGE.format(what=step.spoken(made.node), name=step.called(loss.prediction)),
                        related=related,
                    )


def _without(script: ScriptModel, value: Value, loss: Loss) -> Draft | None:
    """Takes the activation away; what else reads the model's output then gets logits as well."""
    message = f"pass the logits, without {SQUASHING[value.op]}"
    layer, node = value.receiver, value.node
    if not isinstance(node, cst.Call) or value.op == "gumbel_softmax":
        return None
    if layer is not None and layer.node is node:
        last = _last_layer(script, node)
        return Draft(message, (Removal(*last),)) if last else None
    scores = operand(script, value)
    if scores is None:
        return None
    if line := _own_line(value, node, scores):
        return Draft(message, (Removal(line),))
    in_loss = isinstance(loss.node, cst.Call) and any(arg.value is node for arg in loss.node.args)
    level = Applicability.SAFE if in_loss else Applicability.UNSAFE
    return Draft(message, (Replacement(node, code_of(script, scores)),), level)


def _last_layer(script: ScriptModel, node: cst.Call) -> tuple[cst.Arg, cst.Arg] | None:
    """The activation as the last of an `nn.Sequential`'s layers, and the one before it."""
    for container in script.calls_of("torch.nn.Sequential"):
        if isinstance(container.node, cst.Call) and len(container.node.args) > 1:
            *_, before, last = container.node.args
            if last.value is node:
                return last, before
    return None


def _own_line(value: Value, node: cst.Call, scores: cst.BaseExpression) -> cst.CSTNode | None:
    """`x = F.softmax(x, dim=1)` as a line of its function: without the activation it does nothing."""
    functions = value.frame.functions() if value.frame is not None else []
    for line in lines_of(functions[0].node) if functions else ():
        statement = line.body[0]
        if isinstance(statement, cst.Assign) and statement.value is node and len(statement.targets) == 1:
            return line if same_code(statement.targets[0].target, scores) else None
    return None
