"""See rules/metric-axis.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static import torch_api
from nnlint.static.arguments import constant
from nnlint.static.columns import COLUMN, VECTOR, Columns
from nnlint.static.scores import is_data, network_inside, surely
from nnlint.static.shapes import origin
from nnlint.static.splits import LOADER, loaders_behind
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.graph.nodes import Ref
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

METRICS = tuple(
    f"sklearn.metrics.{name}"
    for name in (
        "accuracy_score", "balanced_accuracy_score", "f1_score", "fbeta_score", "precision_score",
        "recall_score", "confusion_matrix", "classification_report", "cohen_kappa_score",
        "matthews_corrcoef", "jaccard_score", "precision_recall_fscore_support",
    )
)  # fmt: skip
COMPARES = frozenset({"eq", "ne"})
LARGEST = ("argmax", "numpy.argmax")
KEEPS = torch_api.RELABEL | {
    "detach", "numpy", "float", "long", "squeeze", "view", "reshape", "flatten", "tolist", "element",
    "numpy.squeeze", "numpy.ravel", "data", "view_as", "unsqueeze",
}  # fmt: skip


class MetricAxis(Rule):
    words = ("argmax", "max(", "eq(", "==")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        columns: Columns | None = None
        for call in script.calls_of("eq", "ne", *METRICS):
            if len(call.args) < 2 or call.node is None:
                continue
            for prediction, label in (call.args[:2], call.args[1::-1]):
                if _is_label(label):
                    problem = self._axis(script, prediction)
                    if problem is not None:
                        yield problem
            left, right = call.args[:2]
            if call.op in METRICS or not (
                (_is_label(left) and network_inside(right)) or (_is_label(right) and network_inside(left))
            ):
                continue
            columns = columns or Columns(script)
            forms = [columns.of(arg) for arg in call.args[:2]]
            if set(forms) == {VECTOR, COLUMN}:
                names = [arg.name or script.text(arg.node, 30) for arg in call.args[:2]]
                yield self.problem(
                    call.node,
                    f"`{names[0]}` is {forms[0]} and `{names[1]}` is {forms[1]}: they broadcast to [N, N]: "
                    f"every prediction is compared with every label and the metric is meaningless; give both "
                    f"one shape",
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.sizes import sizes

        for index, node in enumerate(step.nodes):
            if step.operator(index) in COMPARES and node.own and len(step.sources(index)) == 2:
                for prediction, label in _with_labels(step, index):
                    yield from _largest(step, prediction)
                    if any(meeting.node == index for meeting in step.meetings) and (
                        len(step.shape(prediction)) != len(step.shape(label))
                    ):
                        shapes = [
                            f"[{', '.join(word for word, _ in sizes(step, ref))}]"
                            for ref in (prediction, label)
                        ]
                        yield Sighting(
                            node.place,
                            f"{step.called(prediction)} is {shapes[0]} and {step.called(label)} is "
                            f"{shapes[1]}: they broadcast, every prediction is compared with every label and "
                            "the metric is meaningless; give both one shape",
                        )

    def _axis(self, script: ScriptModel, prediction: Value) -> Problem | None:
        for value in _parts(prediction):
            if value.op not in LARGEST or value.node is None or not value.args:
                continue
            scores = value.args[0]
            dim = _axis_of(value)
            if dim == 0 and type(dim) is int and (_batched(script, scores) or _led(script, scores)):
                return self.problem(
                    value.node,
                    f"the largest score is taken over axis 0 of `{script.name_of(scores, 'the output')}`, "
                    f"the batch, "
                    f"instead of over the classes: use dim=1",
                )
            if (
                dim in {1, -1}
                and script.shapes.last(scores) == ()
                and script.shapes.rank(scores) in {2, None}
            ):
                return self.problem(
                    value.node,
                    f"`{script.name_of(scores, 'the output')}` has a single logit for each sample, so its "
                    f"argmax is "
                    f"always 0; threshold the logit at 0 instead",
                )
        return None


def _with_labels(step: GraphStep, index: int) -> Iterator[tuple[Ref, Ref]]:
    """A comparison of a prediction with what comes from the data: the two."""
    for prediction, label in permutations(step.sources(index)):
        one, other = step.value(prediction), step.value(label)
        if one.known and one.learned and other.known and not other.learned and other.follows:
            yield prediction, label


def _largest(step: GraphStep, prediction: Ref) -> Iterator[Sighting]:
    """The argmax that a prediction is, over an axis that is none of classes."""
    from nnlint.graph import makers

    for made in makers.surely(step, prediction, lambda made: step.operator(made.node) in ("argmax", "max")):
        dim = step.nodes[made.node].arguments.get("dim")
        scores = step.sources(made.node)[0]
        shape = step.shape(scores)
        if not isinstance(dim, int) or made.node in step.before_prediction or len(shape) < 2:
            continue
        dim %= len(shape)
        name, place = step.called(scores), step.nodes[made.node].place
        if step.batch_places(scores) == (dim,) and step.value(scores).known:
            yield Sighting(
                place,
                f"the largest score is taken over {step.axis(scores, dim)}, the batch, instead of over the "
                "classes: use the axis of the classes, as in dim=1",
                related=step.came_from(),
            )
        elif (
            shape[dim] == 1
            and dim == len(shape) - 1
            and makers.surely(step, scores, lambda part: makers.is_raw(step, part))
        ):
            yield Sighting(
                place,
                f"{name} has a single logit for each sample, so its argmax is always 0; threshold the logit "
                "at 0 instead",
                related=step.came_from(),
            )


def _axis_of(value: Value) -> object:
    given = value.kwargs.get("axis")
    if value.op == "numpy.argmax" and len(value.args) > 1:
        given = value.args[1]
    if given is not None:
        return given.const if given.kind is Kind.CONST else ...
    return constant(value, "dim", None)


def _parts(value: Value) -> list[Value]:
    """What surely stands behind it; behind each item of a list that a loop fills."""
    items = [value]
    if value.kind is Kind.SEQUENCE and value.op == "list":
        items = [*value.args, *([value.element] if value.element is not None else [])]
    return [part for item in items for part in surely(item, lambda _: True, KEEPS)]


def _is_label(value: Value) -> bool:
    """Whether it is nothing but data: members of a batch, or a tensor that the script makes itself."""
    parts = _parts(value)
    return bool(parts) and (any(origin(part).op == "batch_item" for part in parts) or is_data(value))


def _batched(script: ScriptModel, scores: Value) -> bool:
    """Whether axis 0 of these scores surely is the batch, and there are classes beside it."""
    through = torch_api.RELABEL | {"softmax", "log_softmax", "sigmoid", "exp", "detach", "numpy", "data"}
    for value in surely(scores, lambda _: True, through):
        call = value
        if call.op in {"getitem", "squeeze", "mean", "sum", "stack", "cat", "t", "transpose"}:
            return False
        for _ in range(30):
            if call.op == "batch_item" or not call.args:
                break
            if call.op not in BATCH_FIRST and call.receiver is None:
                return False
            call = call.args[0]
        if call.op != "batch_item":
            return False
        loaders = loaders_behind(call)
        if not loaders or any(loader.op == LOADER and not _many(loader) for loader in loaders):
            return False
        rank = script.shapes.rank(value)
        if rank is not None and rank != 2:
            return False
    return True


def _led(script: ScriptModel, scores: Value) -> bool:
    """Whether axis 0 is the batch by the shapes of what made the scores, or by a model's `logits`."""
    batches = [part for part in scores.graph() if part.op == "batch_item"]
    if any(loader.op == LOADER and not _many(loader) for part in batches for loader in loaders_behind(part)):
        return False
    shape = script.shapes.of(scores)
    if shape is not None and len(shape) > 1 and any(f[0] == "batch" for f in shape[0] if type(f) is tuple):
        return True
    return script.shapes.batch_leads(scores) and script.shapes.rank(scores) in {2, 4, None}


BATCH_FIRST = torch_api.RELABEL | {
    "relu",
    "dropout",
    "softmax",
    "log_softmax",
    "sigmoid",
    "flatten",
    "module_call",
    "linear",
    "tanh",
}


def _many(loader: Value) -> bool:
    size = constant(loader, "batch_size", 1)
    return size is ... or (type(size) is int and size > 1)
