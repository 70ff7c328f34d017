"""See rules/missing-no-grad.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.values import Event, EventKind, Kind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class MissingNoGrad(Rule):
    words = ("backward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for evaluation in script.evaluations:
            forward = evaluation.forward
            if forward.grad is not True or evaluation.home.trains or _wants_gradient(script, forward):
                continue
            if _switched_elsewhere(script, forward):
                continue
            assert forward.target is not None
            assert forward.call.node is not None
            name = script.name_of(forward.target, "the model")
            yield self.problem(
                forward.call.node,
                f"`{name}` is evaluated here with gradients on: autograd keeps every activation of "
                f"this pass in memory for "
                f"a backward pass that never comes; put the pass under `torch.no_grad()`",
                why=evaluation.why,
            )


_SWITCH = re.compile(r"no_?grad|eval|infer|grad_enabled|freeze", re.IGNORECASE)


def _switched_elsewhere(script: ScriptModel, forward: Event) -> bool:
    """Whether an unseen context manager or decorator around may turn gradients off."""
    for frame in forward.frame.chain():
        if frame.kind == "with" and frame.value is not None and not frame.value.op.startswith("torch."):
            names = (frame.value.op, frame.value.receiver.name if frame.value.receiver is not None else "")
            if any(_SWITCH.search(name) for name in names):
                return True
        if frame.function is not None and any(
            _SWITCH.search(script.text(decorator.decorator)) for decorator in frame.function.node.decorators
        ):
            return True
    return False


def _wants_gradient(script: ScriptModel, forward: Event) -> bool:
    """Whether the input is differentiated (attacks, saliency, forces), or gradients are off in another
    way."""
    for argument in (*forward.call.args, *forward.call.kwargs.values()):
        for value in argument.graph():
            if value.op == "requires_grad_" or "requires_grad" in value.kwargs or "volatile" in value.kwargs:
                return True
    for event in script.events_of(EventKind.FREEZE, EventKind.UNFREEZE):
        if event.target is None or event.target.kind in (Kind.TENSOR, Kind.UNKNOWN):
            return True
    return False
