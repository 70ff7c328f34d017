"""See rules/metric-axis.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static import torch_api
from nnlint.static.arguments import constant
from nnlint.static.columns import COLUMN, VECTOR, Columns
from nnlint.static.shapes import origin
from nnlint.static.splits import LOADER, loaders_behind
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

METRICS = ("sklearn.metrics.accuracy_score", "sklearn.metrics.f1_score", "sklearn.metrics.confusion_matrix")
KEEPS = torch_api.RELABEL | {"detach", "numpy", "float", "long", "squeeze", "view", "reshape", "flatten"}


class MetricAxis(Rule):
    words = ("argmax", "max(", "eq(", "==")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        columns: Columns | None = None
        for call in script.calls_of("eq", "ne", *METRICS):
            if len(call.args) < 2 or call.node is None:
                continue
            for prediction, label in (call.args[:2], call.args[1::-1]):
                if _from_batch(label):
                    problem = self._axis(script, prediction)
                    if problem is not None:
                        yield problem
            if call.op in METRICS or not any(_from_batch(arg) for arg in call.args[:2]):
                continue
            columns = columns or Columns(script)
            forms = [columns.of(arg) for arg in call.args[:2]]
            if set(forms) == {VECTOR, COLUMN}:
                left, right = (
                    script.text(arg.node, 30) if not arg.name else arg.name for arg in call.args[:2]
                )
                yield self.problem(
                    call.node,
                    f"`{left}` is {forms[0]} and `{right}` is {forms[1]}: they broadcast to [N, N], so every "
                    f"prediction is compared with every label and the metric is meaningless; give both one "
                    f"shape",
                )

    def _axis(self, script: ScriptModel, prediction: Value) -> Problem | None:
        for value in prediction.sources(KEEPS):
            if value.op != "argmax" or value.node is None or not value.args:
                continue
            scores = value.args[0]
            dim = constant(value, "dim", None)
            if dim == 0 and type(dim) is int and _batched(script, scores):
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


def _from_batch(value: Value) -> bool:
    return any(origin(part).op == "batch_item" for part in value.sources(KEEPS | {"view_as", "unsqueeze"}))


def _batched(script: ScriptModel, scores: Value) -> bool:
    """Whether axis 0 of these scores surely is the batch, and there are classes beside it."""
    for value in scores.sources(torch_api.RELABEL | {"softmax", "log_softmax", "sigmoid", "exp"}):
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
