"""See rules/incomplete-resume.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument
from nnlint.static.checkpoints import from_file, same_file
from nnlint.static.schedules import made_by, scheduled
from nnlint.static.state import roots
from nnlint.static.updates import constructed, excludes, touches, trained
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

_OPTIMIZER = re.compile(r"optim|(?:^|_)opt(?:$|_)|solver", re.IGNORECASE)
_SCHEDULER = re.compile(r"sched|lr", re.IGNORECASE)


class IncompleteResume(Rule):
    words = ("load_state_dict",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete or any(True for _ in script.calls_of(".load_state_dict")):
            return
        loads = list(script.events_of(EventKind.LOAD_STATE))
        steps = [
            e for e in script.events_of(EventKind.STEP) if e.target is not None and e.frame.loop() is not None
        ]
        for load in loads:
            model, call = load.target, load.call
            if model is None or model.kind is not Kind.MODULE or not call.args or call.node is None:
                continue
            found = from_file(call.args[0])
            if found is None:
                continue
            after = [
                e
                for e in steps
                if e.target is not None and _holds(e.target, model) and not excludes(load.frame, e.frame)
            ]
            if not after or any(e.time < load.time for e in after) or _in_loop(load, after):
                continue
            missing = _missing(script, loads, after)
            if _reads(found[0], _OPTIMIZER):
                # Its state may be given to the optimizer in a way that the file does not show.
                kept = _schedulers(script, loads, after)
                missing = [] if _reads(found[0], _SCHEDULER) else kept
            if missing and _resumes(script, model, found[0], after):
                verb, whose = ("starts", "its") if len(missing) == 1 else ("start", "their")
                yield self.problem(
                    call.node,
                    f"this resumes the training of `{script.name_of(model, 'the model')}`, but "
                    f"{_listed(missing)} {verb} anew, so the run does not go on as it would have; save and "
                    f"load {whose} `state_dict()`, too",
                )
                return


def _in_loop(load: Event, steps: list[Event]) -> bool:
    return any(load.frame.inside(loop) for step in steps for loop in step.frame.loops())


def _resumes(script: ScriptModel, model: Value, checkpoint: Value, steps: list[Event]) -> bool:
    """Whether it goes on where a run of this script stopped: the loop over epochs starts where the
    checkpoint, or its name, says, or the file is the one that this loop writes, with more than weights."""
    loops = {id(loop): loop for step in steps for loop in step.frame.loops()}.values()
    if any(loop.value is not None and loop.value.derives_from([checkpoint]) for loop in loops):
        return True
    named = any(_named_after(script, checkpoint, loop) for loop in loops)
    return any(
        any(save.frame.inside(loop) for loop in loops)
        and _stores(save, model)
        and (named or save.call.args[0].kind is Kind.MAPPING)
        and same_file(script, save, checkpoint)
        for save in script.events_of(EventKind.SAVE)
    )


def _named_after(script: ScriptModel, checkpoint: Value, loop: Frame) -> bool:
    """Whether the file's name holds the number that the loop starts at."""
    numbers = loop.value
    if numbers is None or numbers.op != "range" or len(numbers.args) < 2:
        return False
    start = numbers.args[0]
    return start.node is not None and any(
        part is start or (part.node is not None and script.text(part.node) == script.text(start.node))
        for part in checkpoint.graph()
    )


def _reads(checkpoint: Value, key: re.Pattern[str]) -> bool:
    return any(key.search(name) for name in checkpoint.attrs)


def _holds(optimizer: Value, model: Value) -> bool:
    """Whether an optimizer surely steps the model, and keeps a state of its own."""
    ids = {id(part) for part in roots(model)}
    return constructed(optimizer) and any(id(module) in ids for module in trained(optimizer))


def _stores(save: Event, owner: Value) -> bool:
    """Whether a model's, or a schedule's, state is written."""
    ids = {id(part) for part in roots(owner)}
    return any(
        part.kind is Kind.STATE_DICT
        and part.receiver is not None
        and {id(root) for root in roots(part.receiver)} & ids
        for arg in save.call.args[:1]
        for part in arg.graph()
    )


def _missing(script: ScriptModel, loads: list[Event], steps: list[Event]) -> list[str]:
    """What has a state that matters and is not restored."""
    found: list[str] = []
    restored = [e.target for e in loads if e.target is not None]
    for optimizer in [e.target for e in steps if e.target is not None]:
        loaded = any(part.kind is Kind.OPTIMIZER and touches(part, optimizer) for part in restored)
        if not loaded and all(_has_state(part) for part in roots(optimizer)):
            found.append(script.name_of(optimizer, "the optimizer"))
    return list(dict.fromkeys([*found, *_schedulers(script, loads, steps)]))


def _schedulers(script: ScriptModel, loads: list[Event], steps: list[Event]) -> list[str]:
    """The schedules that begin anew, where none is restored."""
    if any(e.target is not None and e.target.kind is Kind.SCHEDULER for e in loads):
        return []
    optimizers = [e.target for e in steps if e.target is not None]
    return [
        script.name_of(event.target, "the scheduler")
        for event in script.events_of(EventKind.SCHEDULER_STEP)
        if event.target is not None and not event.call.args and not event.call.kwargs
        if any(_counts(script, event.target, optimizer) for optimizer in optimizers)
        if _in_loop(event, steps)
    ]


def _counts(script: ScriptModel, scheduler: Value, optimizer: Value) -> bool:
    """Whether this schedule of the optimizer starts at its first value again."""
    saved = any(_stores(save, scheduler) for save in script.events_of(EventKind.SAVE))
    return scheduled(scheduler) and all(
        (saved or made_by(part) != "LambdaLR")  # its function may add the epochs that are done
        and "last_epoch" not in part.kwargs
        and part.args
        and touches(part.args[0], optimizer)
        for part in roots(scheduler)
    )


def _has_state(optimizer: Value) -> bool:
    """Whether it remembers more than its settings: plain SGD does not."""
    if optimizer.op == "torch.optim.SGD":
        momentum = argument(optimizer, "momentum")
        return momentum is not None and not momentum.is_const(0, 0.0)
    return True


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
