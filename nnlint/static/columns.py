"""Whether predictions and labels are vectors `[N]` or columns `[N, 1]`: the two broadcast against each other.

What a tensor's own making does not say, the losses do: `binary_cross_entropy` refuses shapes that differ, and
the class targets of `cross_entropy` have no class axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.static.arguments import constant
from nnlint.static.scores import is_data
from nnlint.static.shapes import POINTWISE, origin
from nnlint.static.splits import dataset_of
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

VECTOR, COLUMN = "[N]", "[N, 1]"
POINT = POINTWISE | {
    "gt",
    "ge",
    "lt",
    "le",
    "eq",
    "ne",
    "float",
    "long",
    "int",
    "bool",
    "to",
    "type",
    "detach",
    "round",
}
SAME_SHAPE = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})
CLASS_TARGETS = frozenset({"cross_entropy", "nll_loss"})


class Columns:
    """The forms of one script's predictions and labels."""

    def __init__(self, script: ScriptModel) -> None:
        self._script = script
        self._labels: dict[int, str] = {}
        self._kinds: dict[tuple[int, object], str] = {}
        for loss in script.losses:
            call = loss.call
            if len(call.args) < 2:
                continue
            label = origin(call.args[1])
            if label.op != "batch_item" and not is_data(label):
                continue
            if call.op in CLASS_TARGETS:
                self._learn(label, VECTOR)
            elif call.op in SAME_SHAPE:
                self._learn(label, self.of(call.args[0]))

    def _learn(self, label: Value, form: str | None) -> None:
        if form is None:
            return
        self._labels.setdefault(id(label), form)
        for key in _kinds(label):
            if self._kinds.setdefault(key, form) != form:
                self._kinds[key] = ""

    def of(self, value: Value) -> str | None:
        """VECTOR, COLUMN, or None where neither is known."""
        form = self._of(value, 0)
        shape = self._script.shapes.of(value) if form is None else None
        if not shape or not any(type(factor) is tuple and factor[0] == "batch" for factor in shape[0]):
            return form
        return VECTOR if len(shape) == 1 else COLUMN if len(shape) == 2 and shape[1] == () else None

    def _of(self, value: Value, depth: int) -> str | None:
        value = origin(value)
        if depth > 25:
            return None
        if value.alts:
            found = {self._of(part, depth + 1) for part in value.alternatives()}
            return found.pop() if len(found) == 1 else None
        op = value.op
        if id(value) in self._labels:
            return self._labels[id(value)]
        if op == "batch_item":
            known = self._labels.get(id(value))
            return known or next((self._kinds[k] for k in _kinds(value) if self._kinds.get(k)), None)
        if not value.args:
            return None
        first = value.args[0]
        if op in POINT:
            return self._of(first, depth + 1)
        if op == "squeeze":
            inner = self._of(first, depth + 1)
            return VECTOR if inner and constant(value, "dim", None) in {None, 1, -1} else None
        if op in {"view", "reshape"}:
            sizes = (
                value.args[1].args
                if value.args[1:2] and value.args[1].kind is Kind.SEQUENCE
                else value.args[1:]
            )
            if len(sizes) == 1 and sizes[0].is_const(-1):
                return VECTOR
            return COLUMN if len(sizes) == 2 and sizes[1].is_const(1) else None
        if op in {"ravel", "flatten"} and len(value.args) == 1 and not value.kwargs:
            return VECTOR
        if op in {"view_as", "reshape_as", "expand_as"} and len(value.args) > 1:
            return self._of(value.args[1], depth + 1)
        if op == "unsqueeze" and self._of(first, depth + 1) == VECTOR:
            return COLUMN if constant(value, "dim", None) in {1, -1} else None
        if op in {"argmax", "max_values"}:
            return self._reduced(value, first)
        if op == "getitem" and len(value.args) == 3 and value.args[1].op == "slice":
            return (
                VECTOR if value.args[2].is_const(0) and self._script.shapes.rank(first) in {2, None} else None
            )
        if op == "linear":
            rank = self._script.shapes.rank(value)
            return COLUMN if self._script.shapes.last(value) == () and rank in {2, None} else None
        return None

    def _reduced(self, value: Value, logits: Value) -> str | None:
        if constant(value, "dim", None) not in {1, -1} or self._script.shapes.rank(logits) not in {2, None}:
            return None
        keep = constant(value, "keepdim", False)
        return COLUMN if keep is True else VECTOR if keep is False else None


def _kinds(label: Value) -> list[tuple[int, object]]:
    """What labels of the same making share: the data set's own place in the code, and the member's key."""
    found = []
    for batch in label.args[:1]:
        for loader in batch.args[:1]:
            dataset = dataset_of(loader)
            if dataset is not None and dataset.node is not None and not dataset.alts:
                found.append((id(dataset.cls or dataset.node), label.const))
    return found
