"""See rules/missing-train-mode.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting, listed
from nnlint.static.evaluation import covers, differs_by_mode, inside, own_meaning, touches_mode
from nnlint.static.holdings import holding, part_of
from nnlint.static.scan import last_name
from nnlint.static.state import roots
from nnlint.static.values import Event, EventKind, Frame, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.experiments.modes import Resumed
    from nnlint.static.model import ScriptModel


class MissingTrainMode(Rule):
    words = (".eval()", "train(False)")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.modes import MODES

        return (MODES,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for home in script.training_passes:
            for forward in home.of(EventKind.FORWARD):
                if forward.target is None or forward.grad is False or not script.evaluations.trains(forward):
                    continue
                switch = next(
                    filter(None, (_left_in_eval(script, forward, loop) for loop in forward.frame.loops())),
                    None,
                )
                if switch is None or own_meaning(forward.target) or _only_used(script, forward.target):
                    continue
                if (differs := differs_by_mode(forward.target)) is not False:
                    yield self._forgotten(script, forward, switch, differs is True)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.modes import MODES, Modes

        trajectory = seen.trajectories.get(MODES.name)
        modes = trajectory.measure(Modes) if trajectory is not None else None
        for resumed in modes.resumed if modes is not None else ():
            yield _seen(resumed)

    def _forgotten(self, script: ScriptModel, forward: Event, switch: Event, seen: bool) -> Problem:
        assert forward.target is not None
        assert switch.call.node is not None
        name = script.name_of(switch.target or forward.target, "the model")
        related = ((forward.call.node, "trained here in evaluation mode from the second round on"),)
        return self.problem(
            switch.call.node,
            f"`{name}.eval()` is called inside the training loop and nothing calls `train()` again: "
            f"from the next round on "
            f"dropout is off and batch norm uses its running statistics; call `{name}.train()` before "
            f"training goes on",
            related=related,
            severity=None if seen else Severity.WARNING,
        )


def _seen(resumed: Resumed) -> Sighting:
    layers = f" ({listed(resumed.layers)})" if resumed.layers else ""
    return Sighting(
        resumed.switched or resumed.place,
        f"`{resumed.class_name}` was put into evaluation mode here, evaluated, and then trained on in that "
        f"mode{layers}: dropout is off and batch norm uses its running statistics from then on; call "
        "`train()` on it before training goes on",
        related=((resumed.evaluated, "evaluated here"), (resumed.place, "trained here in evaluation mode")),
        evidence={"difference": resumed.difference, "layers": list(resumed.layers)},
    )


def _left_in_eval(script: ScriptModel, forward: Event, loop: Frame) -> Event | None:
    """The `eval()` that still holds when the loop's next turn reaches the training forward."""
    module = forward.target
    assert module is not None
    if all(part.time > loop.start and part.args for part in roots(module)):
        return None  # each turn builds another
    modes = [event for event in loop.events if _sets_mode(event, module)]
    switch = max((e for e in modes if e.kind is EventKind.EVAL), key=lambda e: e.time, default=None)
    if switch is None or not covers(switch.target, module) or _under_a_flag(switch, loop):
        return None
    if any(
        call.receiver is not None
        and call.frame is not None
        and call.frame.inside(loop)
        and covers(call.receiver, module)
        for call in script.calls_of(".train")
    ):
        return None  # called before the file showed that it is a module
    after = [event for event in loop.events if event.time > switch.time]
    ahead = [event for event in loop.events if event.time < forward.time]
    if switch.time > forward.time and any(
        e.kind is EventKind.EVAL and covers(e.target, module) for e in ahead
    ):
        return None  # it is put into evaluation mode for training too
    if switch.time < forward.time:
        # Evaluation comes first in the body: what stands between it and the training forward counts.
        if any(_restores(event, module) for event in after if event.time < forward.time):
            return None
    elif any(_restores(event, module) for event in loop.events):
        return None
    return switch if _evaluates(script, module, after) else None


_FLAG = re.compile(
    r"(?:^|[._])(?:is_)?(?:test|testing|eval|evaluate|infer|inference|train|training|mode|phase)(?:$|_)"
)


def _under_a_flag(switch: Event, loop: Frame) -> bool:
    """Whether a flag is asked, `if self.is_test`, that says something else while training."""
    return any(
        isinstance(test.node, cst.If)
        and isinstance(test.node.test, (cst.Name, cst.Attribute))
        and _FLAG.search(last_name(test.node.test))
        for test in switch.frame.tests(until=loop)
    )


def _only_used(script: ScriptModel, module: Value) -> bool:
    """Whether the optimizers surely train something else through it: an input, a patch."""
    held = [holding(optimizer) for optimizer in script.optimizers]
    parts = roots(module)
    return bool(held) and all(
        own.sure
        and own.parameters
        and not any(part_of(part, whole) for part in parts for whole in own.modules)
        for own in held
    )


def _sets_mode(event: Event, module: Value) -> bool:
    return event.kind in (EventKind.EVAL, EventKind.TRAIN) and covers(event.target, module)


def _restores(event: Event, module: Value) -> bool:
    if event.kind is EventKind.TRAIN:
        return covers(event.target, module) or inside(event.target, module)
    return touches_mode(event, module)


def _evaluates(script: ScriptModel, module: Value, after: list[Event]) -> bool:
    """Whether the switch is for an evaluation, not for fine-tuning with frozen statistics."""
    for event in after:
        if event.kind is EventKind.FORWARD and event.target is not None and covers(module, event.target):
            return not script.evaluations.trains(event)
    return False
