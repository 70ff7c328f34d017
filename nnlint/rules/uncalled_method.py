"""See rules/uncalled-method.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Insertion, Problem, Rule
from nnlint.static.schedules import is_plateau
from nnlint.static.values import Kind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Method -> what does not happen, and on what kinds of thing it is one.
METHODS = {
    "zero_grad": ("the gradients are never cleared", {Kind.OPTIMIZER, Kind.MODULE}),
    "backward": ("no gradient is computed", {Kind.TENSOR}),
    "step": ("nothing is updated", {Kind.OPTIMIZER, Kind.SCHEDULER}),
    "eval": ("the model stays in training mode", {Kind.MODULE}),
    "train": ("the model stays in its present mode", {Kind.MODULE}),
    "update": ("the loss scale never adapts", {Kind.SCALER}),
}


class UncalledMethod(Rule):
    words = tuple(f".{name}" for name in METHODS)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for fact in script.facts:
            if fact.kind != "expression" or not isinstance(fact.node, cst.Expr):
                continue
            method = fact.node.value
            if not isinstance(method, cst.Attribute) or method.attr.value not in METHODS:
                continue
            owner = script.value_of(method.value)
            effect, kinds = METHODS[method.attr.value]
            if owner is None or owner.kind not in kinds | {Kind.UNKNOWN}:
                continue
            text = script.text(method)
            # A ReduceLROnPlateau is stepped with its metric, and only the author knows which.
            complete = not any(is_plateau(part) for part in owner.alternatives())
            yield self.problem(
                method,
                f"`{text}` only names the method and does not call it, so {effect}; write `{text}()`",
                fix=Draft(f"Call `{text}()`", (Insertion(method, "()", after=True),)) if complete else None,
            )
