"""The losses of torch.nn.functional in a recorded step, read from the operators that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.graph.nodes import Ref

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep

BINARY = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})
LABELLED = BINARY | {"cross_entropy", "nll_loss"}
POINTWISE = frozenset({"mse_loss", "smooth_l1_loss", "huber_loss"})
_NLL = frozenset({"nll_loss_forward", "nll_loss2d_forward", "nll_loss", "nll_loss2d"})


@dataclass(frozen=True, slots=True)
class Criterion:
    """A loss that was computed. `name` is its function's, and `node` one of its operations.

    A log-softmax and the negative log likelihood are cross-entropy, however they were written: `prediction`
    is what the log-softmax was given.
    """

    name: str
    node: int
    prediction: Ref
    target: Ref


def criteria(step: GraphStep, *names: str) -> Iterator[Criterion]:
    """Those of these names from which the differentiated loss was computed, in order."""
    for index in sorted(step.before_loss):
        found = _criterion(step, index)
        if found is not None and found.name in names:
            yield found


def _criterion(step: GraphStep, index: int) -> Criterion | None:
    operator = step.operator(index)
    if operator not in _READERS:
        return None
    arguments = step.nodes[index].arguments
    first, second = arguments.get("self"), arguments.get("target", arguments.get("other"))
    if not isinstance(first, Ref) or not isinstance(second, Ref):
        return None
    if operator in _NLL:
        return _of_classes(step, index, first, second)
    if operator == "mul":
        return _of_shares(step, index, first, second)
    if operator == "sub":
        return _divergence(step, index, first, second)
    return Criterion(operator, index, first, second)


_READERS = _NLL | BINARY | POINTWISE | {"mul", "sub"}


def _of_classes(step: GraphStep, index: int, given: Ref, target: Ref) -> Criterion:
    scores = _within_log_softmax(step, given)
    if scores is None:
        return Criterion("nll_loss", index, given, target)
    return Criterion("cross_entropy", index, scores, target)


def _of_shares(step: GraphStep, index: int, given: Ref, target: Ref) -> Criterion | None:
    """Cross-entropy with a share for each class, as torch writes it: -(log_softmax(x) * y).sum() / n."""
    place = step.nodes[index].place
    scores = _within_log_softmax(step, given)
    if scores is None or step.nodes[step.origin(given).node].place != place:
        return None
    for total in step.users(index):
        for negative in step.users(total):
            if (step.operator(total), step.operator(negative)) == ("sum", "neg") and (
                step.nodes[negative].place == place
            ):
                return Criterion("cross_entropy", index, scores, target)
    return None


def _within_log_softmax(step: GraphStep, ref: Ref) -> Ref | None:
    made = step.origin(ref)
    return step.sources(made.node)[0] if step.operator(made.node) == "_log_softmax" else None


def _divergence(step: GraphStep, index: int, entropy: Ref, rest: Ref) -> Criterion | None:
    """kl_div as torch writes it: xlogy(y, y) - y * x, or exp(y) * (y - x) with log_target."""
    nodes = step.nodes
    if step.operator(entropy.node) == "xlogy":
        target = nodes[entropy.node].arguments["self"]
        product = step.sources(rest.node)
        if (
            isinstance(target, Ref)
            and nodes[entropy.node].arguments["other"] == target
            and step.operator(rest.node) == "mul"
            and len(product) == 2
            and target in product
            and nodes[rest.node].place == nodes[index].place
        ):
            given = product[1] if product[0] == target else product[0]
            return Criterion("kl_div", index, given, target)
    return None
