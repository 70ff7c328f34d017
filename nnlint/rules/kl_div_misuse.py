"""See rules/kl-div-misuse.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Draft, Insertion, Problem, Replacement, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.scores import PROBABILITIES, Loss, is_raw, losses_of, surely
from nnlint.static.terms import product, whole_terms
from nnlint.static.torch_api import RELABEL

if TYPE_CHECKING:
    from nnlint.graph.criteria import Criterion
    from nnlint.graph.nodes import Ref
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

# A factor of this name makes up for the mean over the classes.
_CLASSES = re.compile(r"(?:^|[_.])(?:n|num|nb)?_?(?:c|cls|class|classes|categories)(?:$|_)", re.IGNORECASE)
LOGARITHMS = frozenset({"log", "log_softmax", "logsigmoid"})
NO_LOGARITHM = (
    "{name} holds {given}, but the KL divergence loss expects its input as log-probabilities: what is "
    "minimised is no divergence; use `log_softmax`"
)
LOGARITHM = (
    "the target {name} holds log-probabilities, but without `log_target=True` probabilities are expected: "
    "the loss is not a number; pass `log_target=True`"
)


class KlDivMisuse(Rule):
    words = ("kl_div", "KLDivLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        yield from self._averages(script)
        for loss in losses_of(script, "kl_div"):
            if _chosen(loss):
                continue
            name = script.name_of(loss.prediction, "the input")
            for value in surely(loss.prediction, lambda value: value.op in PROBABILITIES or is_raw(value))[
                :1
            ]:
                given = "raw scores" if is_raw(value) else f"probabilities ({value.op})"
                yield self.problem(
                    loss.node,
                    NO_LOGARITHM.format(name=f"`{name}`", given=given),
                    related=((loss.place(value), "made here"),),
                )
            for value in surely(loss.target, lambda value: value.op in LOGARITHMS)[:1]:
                if constant(loss.call, "log_target", False) is False:
                    target = script.name_of(loss.target or value)
                    yield self.problem(
                        loss.node,
                        LOGARITHM.format(name=f"`{target}`"),
                        related=((loss.place(value), "made here"),),
                    )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import makers
        from nnlint.graph.criteria import criteria
        from nnlint.graph.terms import loss_terms

        for loss in criteria(step, "kl_div"):
            place = step.nodes[loss.node].place
            name, target = step.called(loss.prediction), step.called(loss.target)
            for made in makers.surely(step, loss.prediction, lambda made: _is_no_log(step, made))[:1]:
                raw = makers.is_raw(step, made)
                given = "raw scores" if raw else f"probabilities ({step.spoken(made.node)})"
                yield Sighting(
                    place,
                    NO_LOGARITHM.format(name=name, given=given),
                    related=((step.nodes[made.node].place, "made here"),),
                )
            for made in makers.made_by(step, loss.target, *makers.LOG_PROBABILITIES)[:1]:
                yield Sighting(
                    place,
                    LOGARITHM.format(name=target),
                    related=((step.nodes[made.node].place, "made here"),),
                )
            if _is_mean(step, loss):
                beside = any(len(loss_terms(step, output.ref)) > 1 for output in step.losses)
                classes = step.shape(loss.prediction)[1]
                yield Sighting(
                    place,
                    f"the mean divides by the {classes} classes as well as by the batch size, so this is the "
                    f"divergence over {classes}, and its weight beside other terms that much smaller; pass "
                    '`reduction="batchmean"`',
                    related=step.came_from(),
                    severity=Severity.WARNING if beside else Severity.INFO,
                )

    def _averages(self, script: ScriptModel) -> Iterator[Problem]:
        """A mean over the classes too, though there is one distribution a sample."""
        products = [
            product(term.value)[1] for call in script.calls_of("add", "sub") for term in whole_terms(call)
        ]
        added = {id(factor.node) for factors in products for factor in factors}
        made_up = {
            id(factor.node)
            for factors in products
            if any(_CLASSES.search(other.name) for other in factors)
            for factor in factors
        }
        for loss in losses_of(script, "kl_div"):
            old = (constant(loss.call, "size_average"), constant(loss.call, "reduce"))
            if constant(loss.call, "reduction", "mean") != "mean" or old != (None, None):
                continue
            if not _one_row_each(script, loss.prediction) or id(loss.node) in made_up:
                continue
            yield self.problem(
                loss.node,
                f"`{script.text(loss.node, 40)}` divides by the number of classes as well as by the batch "
                f"size, so it is the divergence over the classes' number, and its weight beside other "
                f"terms that much "
                f'smaller; pass `reduction="batchmean"`',
                severity=Severity.WARNING if id(loss.node) in added else Severity.INFO,
                fix=_batchmean(script, loss),
            )


def _is_no_log(step: GraphStep, made: Ref) -> bool:
    from nnlint.graph import makers

    return step.operator(made.node) in makers.PROBABILITIES or makers.is_raw(step, made)


def _is_mean(step: GraphStep, loss: Criterion) -> bool:
    """Whether it is averaged over the classes too, of which each sample has one row."""
    shape = step.shape(loss.prediction)
    here = step.nodes[loss.node].place
    means = [user for user in step.users(loss.node) if step.operator(user) == "mean"]
    return len(shape) == 2 and shape[1] > 1 and any(step.nodes[user].place == here for user in means)


def _chosen(loss: Loss) -> bool:
    """Whether the criterion is one of several that a flag chooses from: what it is given may hang on that
    flag as well."""
    made = loss.call.receiver
    owner = made.owner if made is not None else None
    if made is None or owner is None or owner.cls is None:
        return False
    return owner.cls.assigned.get(made.name.rpartition(".")[2], 0) > 1


def _one_row_each(script: ScriptModel, prediction: Value) -> bool:
    """Whether the classes are axis 1 of two."""
    rank = script.shapes.rank(prediction)
    if rank is not None:
        return rank == 2
    found = surely(prediction, lambda value: value.op == "log_softmax", RELABEL)
    return bool(found) and all(constant(value, "dim") == 1 for value in found)


def _batchmean(script: ScriptModel, loss: Loss) -> Draft | None:
    """The right reduction, where the call or the constructor is in sight."""
    made = loss.call.receiver.node if loss.call.receiver is not None else loss.node
    if not isinstance(made, cst.Call) or any(argument.star for argument in made.args):
        return None
    message = "Average over the batch only"
    for argument in made.args:
        if argument.keyword is not None and argument.keyword.value == "reduction":
            if isinstance(argument.value, cst.SimpleString):
                return Draft(message, (Replacement(argument.value, '"batchmean"'),))
            return None
    if not made.args:
        code = script.code(made.func)
        return Draft(message, (Replacement(made, f'{code}(reduction="batchmean")'),))
    return Draft(message, (Insertion(made.args[-1], ', reduction="batchmean"', after=True),))
