"""See rules/direct-forward-call.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Problem, Replacement, Rule
from nnlint.static.values import EventKind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class DirectForwardCall(Rule):
    words = (".forward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not any(
            True
            for _ in script.events_of(EventKind.BACKWARD, EventKind.STEP, EventKind.EVAL, EventKind.TRAIN)
        ):
            return  # a library function may have its reasons
        for call in script.calls_of("module.forward"):
            node = call.node
            if (
                not isinstance(node, cst.Call)
                or not isinstance(node.func, cst.Attribute)
                or call.frame is None
            ):
                continue
            if _this(node.func.value) or not _outside(call):
                continue
            model = script.text(node.func.value, 40)
            yield self.problem(
                node,
                f"`{model}.forward(…)` runs the layers without the module's hooks (and without "
                "DistributedDataParallel's "
                f"gradient synchronisation, where it is wrapped); call `{model}(…)`",
                fix=Draft(
                    "Call the module", (Replacement(node.func, script.module.code_for_node(node.func.value)),)
                ),
            )


def _this(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value in {"self", "cls"}


def _outside(call: Value) -> bool:
    """Not inside a module: wrappers pass calls on by `self.inner.forward(…)` on purpose."""
    assert call.frame is not None
    for function in call.frame.functions()[:1]:
        if function.cls is not None and function.cls.is_module:
            return False
    return True
