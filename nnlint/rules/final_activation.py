"""See rules/final-activation.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument, constant
from nnlint.static.scores import Loss, is_data, is_label, losses_of, surely
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

REGRESSION = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
CLASSIFICATION = (
    "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
)  # fmt: skip
DROPOUTS = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"})
RECTIFIERS = {"relu": "ReLU", "relu6": "ReLU6", "prelu": "PReLU"}
POSITIVE = frozenset({"abs", "square", "pow", "sqrt", "exp", "sign", "clamp", "sigmoid"})
NORMALISERS = frozenset({"log_softmax", "softmax", "sigmoid"})


class FinalActivation(Rule):
    words = (
        "Loss", "mse_loss", "l1_loss", "huber_loss", "cross_entropy", "nll_loss",
    )  # fmt: skip

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, *REGRESSION, *CLASSIFICATION):
            name = script.name_of(loss.prediction, "the prediction")
            for value in _dropouts(loss):
                yield self.problem(
                    loss.place(value),
                    f"dropout is the last operation on `{name}`: in training it sets outputs that the loss "
                    f"reads to zero and scales up the others, noise that no weight can learn; put it "
                    f"before the last layer",
                    related=((loss.node, "the loss"),),
                )
            if loss.call.op in REGRESSION:
                yield from self._regression(loss, name)

    def _regression(self, loss: Loss, name: str) -> Iterator[Problem]:
        for value in surely(loss.prediction, _rectified_head):
            if _may_be_rectified(loss):
                continue
            yield self.problem(
                loss.place(value),
                f"a {RECTIFIERS[value.op]} is the last operation on the regression output `{name}`: it "
                f"cannot follow negative targets, and where the linear layer falls below zero it passes on "
                f"little or no gradient; return the linear layer's output",
                related=((loss.node, "the loss"),),
            )
        for value in surely(loss.prediction, _constant_softmax):
            yield self.problem(
                loss.place(value),
                f"the softmax on `{name}` runs over one single output, so the prediction is always 1; "
                f"return the linear layer's output",
                related=((loss.node, "the loss"),),
            )


def _dropouts(loss: Loss) -> list[Value]:
    """The dropout that stands between the last layer and the loss, where the loss compares with data."""
    if loss.target is None or not (is_data(loss.target) or surely(loss.target, is_label)):
        return []
    found = surely(loss.prediction, _drops)
    if not found:
        normalised = surely(loss.prediction, lambda value: value.op in NORMALISERS)
        found = [part for value in normalised for part in surely(value.input, _drops)]
    return found


def _drops(value: Value) -> bool:
    """Whether it drops something for sure: not with probability zero, not where an option decides."""
    if constant(value, "training", True) is False or constant(value, "p", 0.5) == 0:
        return False
    made = value.receiver.frame if value.receiver is not None else None
    return value.op in DROPOUTS and (made is None or not made.tests())


def _rectified_head(value: Value) -> bool:
    """A rectifier right on a linear layer with one output."""
    return value.op in RECTIFIERS and bool(surely(value.input, _one_output))


def _one_output(value: Value) -> bool:
    if value.op != "linear" or value.receiver is None:
        return False
    size = argument(value, "out_features")
    return size is not None and size.is_const(1)


def _may_be_rectified(loss: Loss) -> bool:
    """Whether the target may be rectified too, or is nothing that the file shows to be data."""
    target = loss.target
    if target is None or not (is_data(target) or surely(target, is_label)):
        return True
    return any(part.op in RECTIFIERS or part.op in POSITIVE for part in target.graph())


def _constant_softmax(value: Value) -> bool:
    return (
        value.op == "softmax"
        and constant(value, "dim", None) in {1, -1}
        and bool(surely(value.input, _one_output))
    )
