"""See rules/missing-no-grad.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.evaluation import covers
from nnlint.static.holdings import touched
from nnlint.static.values import Event, EventKind, Kind
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class MissingNoGrad(Rule):
    words = ("backward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete or _OLD.search(script.source.data) is not None:
            return
        said = set[int]()
        trained = _trained_places(script)
        for evaluation in script.evaluations:
            forward = evaluation.forward
            if (
                id(evaluation.home) in said
                or forward.grad is not True
                or (evaluation.home.trains and not evaluation.sure)
            ):
                continue
            if _wants_gradient(script, forward) or _switched_elsewhere(script, forward):
                continue
            if _released(script, forward) or _shown(script, forward) or _frozen(script, forward):
                continue
            place = _place(forward, trained)
            if place is None or forward.target is None:
                continue
            said.add(id(evaluation.home))
            name = script.name_of(forward.target, "the model")
            yield self.problem(
                place,
                f"`{name}` is evaluated here with gradients on: autograd keeps every activation of "
                f"this pass in memory for "
                f"a backward pass that never comes; put the pass under `torch.no_grad()`",
                why=evaluation.why,
            )


def _trained_places(script: ScriptModel) -> set[int]:
    """ids of the nodes where training calls its model, or a function that does."""
    return {
        id(node)
        for event in script.events_of(EventKind.FORWARD)
        if script.evaluations.trains(event)
        for node in (event.call.node, *(frame.node for frame in event.frame.chain() if frame.function))
    }


def _place(forward: Event, trained: set[int]) -> cst.CSTNode | None:
    """The forward, or where a helper that training shares was called for this evaluation."""
    places = (
        forward.call.node,
        *(frame.node for frame in forward.frame.chain() if frame.function is not None),
    )
    return next((node for node in places if id(node) not in trained), places[0])


# Written for a PyTorch before 0.4, which had no `no_grad`; on today's `loss.data[0]` fails first.
_OLD = re.compile(rb"\bvolatile\s*=|\.data\[0\]")
# A model that is given the labelled examples of a task may take gradient steps on them in its forward, and
# one that is to make adversarial examples takes gradients of its input.
_ADAPTS = re.compile(
    r"(?:label|target|y)s?_?(?:shot|support|spt)|(?:support|shot|spt)_?(?:label|target|y)s?|make_adv|attack",
    re.I,
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


def _shown(script: ScriptModel, forward: Event) -> bool:
    """Whether a few examples are looked at, outside of any loop and held against nothing."""
    return forward.frame.loop() is None and id(forward.call) not in script.evaluations.judged


def _frozen(script: ScriptModel, forward: Event) -> bool:
    """Whether the same function has switched the gradients of all weights off before."""
    home = forward.frame.functions()[:1]
    return any(
        event.time < forward.time
        and event.frame.functions()[:1] == home
        and not event.frame.tests(until=event.frame.loop())
        and forward.target is not None
        and any(covers(module, forward.target) for module in touched(event))
        for event in script.events_of(EventKind.FREEZE)
    )


def _released(script: ScriptModel, forward: Event) -> bool:
    """Whether `outputs.detach_()` lets go of the graph at once."""
    return any(
        call.args and forward.call in (call.args[0], *call.args[0].alternatives())
        for call in script.calls_of("detach_")
    )


def _wants_gradient(script: ScriptModel, forward: Event) -> bool:
    """Whether the input is differentiated (attacks, saliency, forces), or gradients are off in another
    way."""
    node = forward.call.node
    written = (
        [script.value_of(argument.value) for argument in node.args] if isinstance(node, cst.Call) else []
    )
    given = {
        id(value): value
        for argument in (*forward.call.args, *forward.call.kwargs.values(), *filter(None, written))
        for value in argument.graph(lambda value: value.op in {"detach", "detach_"})
    }
    if isinstance(node, cst.Call) and any(
        isinstance(part, cst.Name) and _ADAPTS.search(part.value) for part in descend(node)
    ):
        return True
    if any(
        value.op == "requires_grad_" or "requires_grad" in value.kwargs or "volatile" in value.kwargs
        for value in given.values()
    ):
        return True
    return any(
        event.target is None or event.target.kind is Kind.UNKNOWN or id(event.target) in given
        for event in script.events_of(EventKind.FREEZE, EventKind.UNFREEZE)
    )
