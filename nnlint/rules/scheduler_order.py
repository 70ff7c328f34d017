"""See rules/scheduler-order.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.schedules import Unit, is_plateau, leaves_sight, made_by, per_epoch_of, scheduled, unit_of
from nnlint.static.state import roots
from nnlint.static.updates import implied, touches
from nnlint.static.values import Event, EventKind, Frame, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class SchedulerOrder(Rule):
    words = ("lr_scheduler", "sched", "OneCycleLR", "StepLR", "CosineAnnealingLR")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for step in script.events_of(EventKind.SCHEDULER_STEP):
            if step.target is None or step.call.node is None:
                continue
            found = (
                self._without_metric(script, step)
                or self._before_optimizer(script, step)
                or self._unit(script, step)
            )
            if found is not None:
                yield found
        yield from self._never_stepped(script)

    def _without_metric(self, script: ScriptModel, step: Event) -> Problem | None:
        call = step.call
        parts = roots(step.target) if step.target is not None else []
        if call.args or call.kwargs or not parts or not all(is_plateau(part) for part in parts):
            return None
        name = script.name_of(step.target, "scheduler") if step.target is not None else "scheduler"
        return self.problem(
            call.node,  # type: ignore[arg-type]
            f"`ReduceLROnPlateau.step` needs the metric that it watches; write `{name}.step(val_loss)`, "
            f"after the validation",
        )

    def _before_optimizer(self, script: ScriptModel, step: Event) -> Problem | None:
        """The first value of the schedule is skipped where it advances ahead of the first optimizer step."""
        if step.target is None or step.call.args or step.call.kwargs or not scheduled(step.target):
            return None
        loop = step.frame.loop()
        if loop is None:
            return None
        steps = [
            e
            for e in script.events_of(EventKind.STEP)
            if e.target is not None and _drives(step.target, e.target)
        ]
        first = next((event for event in steps if event.time > step.time and event.frame.inside(loop)), None)
        if first is None or any(event.time < step.time for event in steps) or _hidden(loop, step):
            return None
        if not implied(step.frame, _at_loop(first.frame, loop), loop):
            return None
        name = script.name_of(step.target, "scheduler")
        return self.problem(
            step.call.node,  # type: ignore[arg-type]
            f"`{name}.step()` comes before `{script.text(first.call.node, 40)}`, so the schedule skips its "
            f"first learning rate and runs one step ahead; call it after the optimizer's step",
            related=((first.call.node, "the first optimizer step"),),
        )

    def _unit(self, script: ScriptModel, step: Event) -> Problem | None:
        """A schedule counted in batches that advances once an epoch, or the reverse."""
        assert step.target is not None
        loop = step.frame.loop()
        parts = roots(step.target)
        if loop is None or len(parts) != 1 or parts[0].node is None:
            return None
        scheduler = parts[0]
        unit, why = unit_of(scheduler, loop)
        inner = per_epoch_of(script, step, scheduler)
        name = made_by(scheduler)
        if unit is Unit.BATCH and inner is not None:
            others = [
                e
                for e in script.events_of(EventKind.SCHEDULER_STEP)
                if e is not step and e.target is not None
            ]
            if any(scheduler in roots(event.target) for event in others if event.target is not None):
                return None
            return self.problem(
                scheduler.node,  # type: ignore[arg-type]
                f"this {name} counts batches ({why}) but is stepped once an epoch, so the learning rate "
                f"covers only the first few values of its schedule; call its `step()` after every "
                f"`optimizer.step()`",
                related=((step.call.node, "stepped here"),),
            )
        if unit is Unit.EPOCH and _per_batch(script, step, loop):
            return self.problem(
                step.call.node,  # type: ignore[arg-type]
                f"this {name} counts epochs ({why}) but is stepped after every batch, so the learning rate "
                f"falls far too soon; call its `step()` once, after the loop over the batches",
                severity=Severity.WARNING if is_plateau(scheduler) else None,
                related=((scheduler.node, "made here"),),
            )
        return None

    def _never_stepped(self, script: ScriptModel) -> Iterator[Problem]:
        stepped = {
            id(part)
            for e in script.events_of(EventKind.SCHEDULER_STEP)
            if e.target is not None
            for part in roots(e.target)
        }
        for scheduler in script.calls:
            if id(scheduler) in stepped or scheduler.node is None or not scheduled(scheduler):
                continue
            if _left_to_hand(script, scheduler):
                yield self.problem(
                    scheduler.node,
                    "with `automatic_optimization = False` Lightning steps no scheduler, and nothing here "
                    "calls `self.lr_schedulers().step()`, so the learning rate never changes",
                )
                continue
            if leaves_sight(script, scheduler):
                continue
            optimizer = scheduler.args[0] if scheduler.args else scheduler.kwargs.get("optimizer")
            steps = [
                e
                for e in script.events_of(EventKind.STEP)
                if e.target is not None and e.frame.loop() is not None
            ]
            if optimizer is None or not any(_same(optimizer, event.target) for event in steps):
                continue
            name = scheduler.name or made_by(scheduler)
            when = "a batch" if unit_of(scheduler, None)[0] is Unit.BATCH else "an epoch"
            yield self.problem(
                scheduler.node,
                f"`{name}.step()` is never called, so the learning rate never changes; call it once {when}, "
                f"after the optimizer's step",
            )


def _left_to_hand(script: ScriptModel, scheduler: Value) -> bool:
    """Whether a LightningModule that is wholly in sight, and optimises by hand, makes it for Lightning."""
    function = next(iter(scheduler.frame.functions()), None) if scheduler.frame is not None else None
    if function is None or function.name != "configure_optimizers" or function.cls is None:
        return False
    lineage = list(function.cls.lineage())
    uses = [method.uses for part in lineage for method in part.methods.values()]
    if not function.cls.base_names() <= {"lightning.LightningModule", *(f".{part.name}" for part in lineage)}:
        return False
    if any("lr_schedulers" in names.get("self", ()) or "lr_scheduler_step" in names for names in uses):
        return False
    return any(
        fact.kind == "attribute"
        and fact.name == "automatic_optimization"
        and fact.value.is_const(False)
        and fact.owner is not None
        and fact.owner.cls in lineage
        for fact in script.facts
    )


def _drives(scheduler: Value, optimizer: Value) -> bool:
    """Whether the scheduler sets this optimizer's rate, as far as the file shows."""
    for part in roots(scheduler):
        given = part.args[0] if part.args else part.kwargs.get("optimizer")
        if given is not None and not _same(given, optimizer) and not touches(given, optimizer):
            return False
    return True


def _same(first: Value, second: Value | None) -> bool:
    return second is not None and bool(
        {id(part) for part in roots(first)} & {id(part) for part in roots(second)}
    )


def _at_loop(frame: Frame, loop: Frame) -> Frame:
    """The place inside `loop` from which a nested loop, in which the frame lies, is entered."""
    place = frame
    for current in frame.chain():
        if current is loop:
            break
        if current.kind == "loop" and current.parent is not None:
            place = current.parent
    return place


def _hidden(loop: Frame, step: Event) -> bool:
    """Whether an optimizer step ahead of the scheduler's may be hidden in a call that cannot be seen."""
    return any(event.kind is EventKind.OPAQUE and event.time < step.time for event in loop.events)


def _per_batch(script: ScriptModel, step: Event, loop: Frame) -> bool:
    """Whether the loop runs over batches, trains on each, and lies in a loop over epochs."""
    if loop.parent is None or loop.parent.loop() is None or step.frame.tests(loop):
        return False
    found = next((p for p in script.passes if p.frame is loop), None)
    return found is not None and found.trains and found.loader is not None
