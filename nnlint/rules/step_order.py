"""See rules/step-order.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.torch_api import TO_PYTHON
from nnlint.static.updates import (
    GRADIENTS,
    Update,
    constructed,
    covers,
    implied,
    touches,
    trained,
    updates,
    writes_gradients,
)
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.model import ScriptModel

HIDES = frozenset({EventKind.OPAQUE})
# `torch.autograd.grad` fills no `.grad`.
READS_GRADIENT = re.compile(rb"(?<!autograd)\.grad\b")
HARMLESS = ("builtins.", "numpy.", "math.")
# Words of files that compute gradients in one way or another.
COMPUTES = re.compile(rb"backward|\.grad\b|autograd|torch\.func|functorch|closure|deepspeed|lightning|apex")


class StepOrder(Rule):
    words = ("step", "backward")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for update in updates(script):
            found = self._cleared(script, update) or self._too_early(script, update)
            if found is not None:
                yield found
        yield from self._never_stepped(script)
        yield from self._never_computed(script)

    def _cleared(self, script: ScriptModel, update: Update) -> Problem | None:
        """`zero_grad` between `backward` and `step`."""
        gradients = update.before(*GRADIENTS)
        if not gradients:
            return None
        for clear in update.before(EventKind.ZERO_GRAD):
            if clear.time < gradients[-1].time or not covers(clear.target, update.optimizer):
                continue
            if not implied(clear.frame, update.step.frame, update.round) or _stepped_between(
                update, gradients[-1], clear
            ):
                continue
            if _refilled(script, update, clear) or _read_between(script, gradients[-1], clear):
                continue
            name = script.name_of(update.optimizer, "optimizer")
            return self.problem(
                clear.call.node,  # type: ignore[arg-type]
                f"the gradients are cleared between `backward()` and "
                f"`{script.text(update.step.call.node)}`, so the step sees none and `{name}` never updates "
                f"anything; clear them before `backward()` or after the step",
                related=_places(
                    (gradients[-1], "computes the gradients"), (update.step, "steps without them")
                ),
            )
        return None

    def _too_early(self, script: ScriptModel, update: Update) -> Problem | None:
        """`step` ahead of the `backward` whose gradients it should use."""
        step = update.step
        if update.before(*GRADIENTS, *HIDES) or step.call.node is None:
            return None
        later = [event for event in update.events if event.time > step.time]
        backward = next((event for event in later if event.kind is EventKind.BACKWARD), None)
        if (
            backward is None
            or not implied(step.frame, backward.frame, update.round)
            or any(e.kind in HIDES for e in later)
        ):
            return None
        if any(event.kind is EventKind.STEP and event.time > backward.time for event in later) or _alone(
            update, backward
        ):
            return None
        if writes_gradients(script, update.round):
            return None
        clears = [
            e for e in update.events if e.kind is EventKind.ZERO_GRAD and touches(e.target, update.optimizer)
        ]
        lost = any(event.time < step.time or event.time > backward.time for event in clears)
        stale = backward.target is not None and backward.target.time < step.time and not clears
        if not lost and not stale and not _computed_before(update, backward):
            return None
        also = " and they are cleared before the next step" if lost else ""
        return self.problem(
            step.call.node,
            f"`{script.text(step.call.node)}` comes before `{script.text(backward.call.node, 40)}`, so it "
            f"does not step on this batch's gradients{also}; step after `backward()`",
            related=_places((backward, "computes the gradients")),
        )

    def _never_stepped(self, script: ScriptModel) -> Iterator[Problem]:
        """Gradients that no step of any optimizer uses, in a script that makes an optimizer."""
        if any(True for _ in script.events_of(EventKind.STEP)) or not script.optimizers:
            return
        clears = [event for event in script.events_of(EventKind.ZERO_GRAD) if event.frame.loop() is not None]
        for backward in script.events_of(EventKind.BACKWARD):
            loop = backward.frame.loop()
            if loop is None or backward.call.node is None or any(map(_may_step, script.events)):
                continue
            if not any(
                event.frame.inside(loop) and event.target is not None and event.target.kind is Kind.OPTIMIZER
                for event in clears
            ):
                continue
            if _uses_gradients(script):
                return
            name = script.name_of(script.optimizers[0], "optimizer")
            yield self.problem(
                backward.call.node,
                f"the gradients are computed and cleared but `{name}.step()` is never called, so nothing is "
                f"trained; call it after `backward()`",
            )
            return

    def _never_computed(self, script: ScriptModel) -> Iterator[Problem]:
        """A loop that computes a loss and steps, in a file in which nothing can compute gradients."""
        if COMPUTES.search(script.source.data) is not None:
            return
        for step in script.events_of(EventKind.STEP):
            loop, optimizer = step.frame.loop(), step.target
            if loop is None or optimizer is None or step.call.node is None or step.call.args[1:]:
                continue
            if not constructed(optimizer) or not trained(optimizer) or step.call.op == "scaler.step":
                continue
            losses = [e.call for e in loop.events if e.kind is EventKind.LOSS and e.time < step.time]
            if not losses or any(event.kind in HIDES for event in script.events) or step.call.args:
                continue
            if any(_unseen(call) for call in _given(script, losses)):
                continue
            yield self.problem(
                step.call.node,
                f"`{script.text(step.call.node)}` follows no `backward()`: the loss is computed and never "
                f"back-propagated, so no parameter has a gradient and nothing is trained; call "
                f"`{script.name_of(losses[-1], 'loss')}.backward()` first",
                related=tuple((loss.node, "the loss") for loss in losses[-1:] if loss.node is not None),
            )
            return


def _may_step(event: Event) -> bool:
    """Whether a call that the file does not show may step: not on an object that holds no optimizer."""
    target = event.target
    return event.kind in HIDES and not (
        target is not None
        and target.kind is Kind.INSTANCE
        and target.cls is not None
        and target.cls.fully_seen()
        and not any(part.kind is Kind.OPTIMIZER for value in target.attrs.values() for part in value.graph())
    )


def _unseen(call: Value) -> bool:
    """Whether the file does not show what a call does with what it is given."""
    return call.op in {"call", "module_call"} or ("." in call.op and not call.op.startswith(HARMLESS))


def _given(script: ScriptModel, losses: list[Value]) -> Iterator[Value]:
    """The calls that get one of these losses."""
    for call in script.calls:
        values = (*call.args, *call.kwargs.values())
        # What is given a number cannot go back to the weights.
        parts = (part for value in values for part in value.graph(lambda item: item.op in TO_PYTHON))
        if any(any(part is loss for loss in losses) for part in parts):
            yield call


def _stepped_between(update: Update, backward: Event, clear: Event) -> bool:
    """Whether an earlier step has already used the gradients that are cleared here."""
    return any(
        event.kind is EventKind.STEP
        and backward.time < event.time < clear.time
        and touches(event.target, update.optimizer)
        for event in update.events
    )


def _refilled(script: ScriptModel, update: Update, clear: Event) -> bool:
    """Whether gradients may come back between clearing and the step: by hand, or in an unseen call."""
    until = update.step.time
    if any(event.kind in HIDES and clear.time < event.time < until for event in update.events):
        return True
    if writes_gradients(script, update.round, clear.time, until):
        return True
    return any(
        clear.time < call.time < until
        and call.receiver is not update.optimizer
        and ("backward" in call.op or "grad" in call.op)
        # Clipping only scales what is there.
        and "clip_grad" not in call.op
        for call in script.calls
        if call.frame is not None and call.frame.inside(update.round) and call is not clear.call
    )


def _read_between(script: ScriptModel, backward: Event, clear: Event) -> bool:
    """Whether something has used the gradients before they are cleared: an attack, an update by hand."""
    made = [fact.value for fact in script.facts if backward.time < fact.time < clear.time]
    made += [call for call in script.calls if backward.time < call.time < clear.time]
    return any(part.op == "grad" for value in made for part in value.graph())


def _alone(update: Update, backward: Event) -> bool:
    """Whether the `backward` lies in an inner loop of its own, which another step may close."""
    return backward.frame.loop() is not update.step.frame.loop()


def _computed_before(update: Update, backward: Event) -> bool:
    """Whether the loss that is back-propagated later was computed from the weights before the step."""
    loss = backward.target
    if loss is None:
        return False
    forwards = [
        event for event in update.events if event.kind is EventKind.FORWARD and event.time < update.step.time
    ]
    return bool(forwards) and loss.derives_from([event.call for event in forwards])


def _uses_gradients(script: ScriptModel) -> bool:
    """Whether something reads or writes `.grad`, or may hold the optimizer for later."""
    if "grad" in script.reads.read and READS_GRADIENT.search(script.source.data) is not None:
        return True
    held = {id(optimizer) for optimizer in script.optimizers}
    for call in script.calls:
        if (
            any(id(value) in held for value in (*call.args, *call.kwargs.values()))
            and call.kind is not Kind.SCHEDULER
            and call.op != "accelerate.prepare"
        ):
            return True
    return any(
        id(fact.value) in held
        and (
            fact.kind in {"return", "subscript"} or (fact.kind == "attribute" and not _seen_whole(fact.owner))
        )
        for fact in script.facts
    )


def _seen_whole(owner: Value | None) -> bool:
    """Whether all code that uses an object's attributes stands in the file."""
    return (
        owner is not None
        and owner.cls is not None
        and owner.cls.fully_seen()
        and not (owner.cls.is_module or owner.cls.is_lightning)
    )


def _places(*pairs: tuple[Event, str]) -> tuple[tuple[cst.CSTNode, str], ...]:
    return tuple((event.call.node, text) for event, text in pairs if event.call.node is not None)
