"""See rules/direct-forward-call.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Applicability
from nnlint.rule import Draft, Problem, Replacement, Rule
from nnlint.static.values import EventKind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


# What is asked of modules only.
USES = frozenset({"parameters", "named_parameters", "eval", "train", "state_dict", "zero_grad"})


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
                    "Call the module",
                    (Replacement(node.func, script.code(node.func.value)),),
                    None if _surely_module(script, call) else Applicability.UNSAFE,
                ),
            )


def _surely_module(script: ScriptModel, call: Value) -> bool:
    """Whether more than the name says so: wrappers with a `forward` of their own may not be callable."""
    parts = call.receiver.alternatives() if call.receiver is not None else []
    if parts and all(part.cls is not None or part.op.startswith("torch.nn.") for part in parts):
        return True
    assert isinstance(call.node, cst.Call)
    assert isinstance(call.node.func, cst.Attribute)
    name = script.text(call.node.func.value).rpartition(".")[2]
    return bool(script.uses_of(name) & USES)


def _this(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value in {"self", "cls"}


def _outside(call: Value) -> bool:
    """Not inside a module: wrappers pass calls on by `self.inner.forward(…)` on purpose."""
    assert call.frame is not None
    for function in call.frame.functions()[:1]:
        if function.cls is not None and function.cls.is_module:
            return False
    return True
