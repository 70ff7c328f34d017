"""Optimizer steps in their surroundings: the round of training that each closes, the gradients it uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static import torch_api
from nnlint.static.state import roots
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

GRADIENTS = frozenset({EventKind.BACKWARD, EventKind.GRAD})
# Writing to `.grad` in one of these ways decides what the next step sees.
WRITES = frozenset(
    {"zero_", "fill_", "copy_", "mul_", "div_", "add_", "sub_", "set_", "detach_", "clamp_", "normal_"}
)

THE_SAME = frozenset({"data", "detach", "view"})


@dataclass(eq=False)
class Update:
    """One `optimizer.step()` and the round it closes: the innermost loop (else function) with `backward`."""

    step: Event
    round: Frame
    looped: bool
    events: list[Event]  # of the round, in order, without those on branches that exclude the step

    @property
    def optimizer(self) -> Value:
        assert self.step.target is not None
        return self.step.target

    def before(self, *kinds: EventKind) -> list[Event]:
        """The round's events of these kinds ahead of the step, the latest last."""
        return [event for event in self.events if event.kind in kinds and event.time < self.step.time]


def updates(script: ScriptModel) -> list[Update]:
    """Every step of an optimizer (directly, or through a gradient scaler)."""
    found = []
    for step in script.events_of(EventKind.STEP):
        if step.target is None or step.target.kind is not Kind.OPTIMIZER:
            continue
        home = round_of(script, step)
        if home is not None:
            pool = events_in(script, home)
            events = [event for event in pool if not excludes(event.frame, step.frame)]
            found.append(Update(step, home, home.kind == "loop", events))
    return found


def round_of(script: ScriptModel, event: Event) -> Frame | None:
    """The innermost loop around an event that back-propagates; without one, the innermost such function."""
    for frame in event.frame.loops():
        if any(other.kind in GRADIENTS for other in frame.events):
            return frame
    for frame in event.frame.chain():
        if frame.kind in {"function", "module"} and any(
            e.kind in GRADIENTS for e in events_in(script, frame)
        ):
            return frame
    return None


def events_in(script: ScriptModel, frame: Frame) -> list[Event]:
    """The events inside a frame, in the order in which they run (a step after its closure)."""
    pool = frame.events if frame.kind == "loop" else [e for e in script.events if e.frame.inside(frame)]
    return sorted(pool, key=lambda event: event.time)


# -- branches -------------------------------------------------------------------------------------


def excludes(first: Frame, second: Frame) -> bool:
    """Whether two places lie on different branches of one `if`, so that one turn never meets both."""
    taken = {(id(f.node), id(f.parent)): f.branch for f in first.chain() if f.kind == "if"}
    return any(
        f.kind == "if" and taken.get((id(f.node), id(f.parent)), f.branch) is not f.branch
        for f in second.chain()
    )


def implied(first: Frame, by: Frame, within: Frame) -> bool:
    """Whether a place is reached in every turn of `within` that reaches the other, by the same tests."""
    conditions = {(id(f.node), id(f.parent), f.branch) for f in by.chain() if f.kind == "if"}
    for frame in first.chain():
        if frame is within:
            return True
        if frame.kind in {"loop", "try", "comprehension"} and not by.inside(frame):
            return False
        if frame.kind == "if" and (id(frame.node), id(frame.parent), frame.branch) not in conditions:
            return False
    return True


def every_nth(frame: Frame, within: Frame) -> Frame | None:
    """The test `i % n == 0` inside the loop `within` under which a place lies, if any."""
    for test in frame.tests(within):
        value = test.value
        if value is not None and not test.guard and any(part.op == "remainder" for part in value.graph()):
            return test
    return None


# -- identity -------------------------------------------------------------------------------------


def same_object(first: Value | None, second: Value | None) -> bool:
    """Whether two names surely stand for one thing."""
    if first is None or second is None:
        return False
    ours, theirs = ({id(part) for part in roots(value)} for value in (first, second))
    return bool(ours) and ours == theirs


def constructed(optimizer: Value) -> bool:
    """Whether the file shows how the optimizer is made, on every way here."""
    parts = roots(optimizer)
    return bool(parts) and all(torch_api.is_optimizer(part.op) for part in parts)


def apart(first: Value | None, second: Value | None) -> bool:
    """Whether two optimizers are surely two: both are seen being made, in different places."""
    if first is None or second is None or first is second:
        return False
    if not (constructed(first) and constructed(second)):
        return False
    return not {id(part) for part in roots(first)} & {id(part) for part in roots(second)}


def trained(optimizer: Value) -> tuple[Value, ...]:
    """The modules and parameters that an optimizer was given, as far as the file shows."""
    found: list[Value] = []
    for part in roots(optimizer):
        given = [*part.args[:1], *(value for key, value in part.kwargs.items() if key in {"params", "model"})]
        for argument in given:
            stop = lambda value: value.kind in (Kind.MODULE, Kind.PARAMETER)  # noqa: E731
            for value in argument.graph(stop):
                if value.kind is Kind.MODULE:
                    found.extend(roots(value))
                elif value.kind is Kind.PARAMETER:
                    found.append(value)
    return tuple(found)


def owners(module: Value) -> Iterable[Value]:
    """A module and those that it is part of."""
    current: Value | None = module
    for _ in range(12):
        if current is None:
            return
        yield current
        current = current.owner


def touches(target: Value | None, optimizer: Value) -> bool:
    """Whether clearing (or clipping) `target` can reach what the optimizer steps; where unknown, yes."""
    if target is None or target.kind is Kind.OPTIMIZER:
        return not apart(target, optimizer)
    held = trained(optimizer)
    given = _modules(target)
    if (
        not given
        or not constructed(optimizer)
        or any(part.kind is not Kind.MODULE for part in held)
        or not held
    ):
        return True
    ids = {id(part) for module in given for part in owners(module)}
    return any(id(part) in ids or any(id(o) in {id(g) for g in given} for o in owners(part)) for part in held)


def covers(target: Value | None, optimizer: Value) -> bool:
    """Whether clearing (or clipping) `target` surely concerns everything that the optimizer steps."""
    if target is None:
        return False
    if target.kind is Kind.OPTIMIZER:
        return same_object(target, optimizer)
    held = trained(optimizer)
    given = {id(module) for module in _modules(target)}
    return bool(held) and all(any(id(part) in given for part in owners(value)) for value in held)


def _modules(target: Value) -> list[Value]:
    """The modules behind `model` or `model.parameters()`; none where that is not sure."""
    found: list[Value] = []
    for value in target.graph(lambda value: value.kind is Kind.MODULE):
        if value.kind is Kind.MODULE:
            found.extend(roots(value))
        elif value.kind is Kind.UNKNOWN and not value.alts:
            return []
    return found


# -- gradients written by hand --------------------------------------------------------------------


def writes_gradients(script: ScriptModel, within: Frame, after: int = -1, until: int | None = None) -> bool:
    """Whether the code between two moments assigns or changes some `.grad` by hand."""
    end = until if until is not None else float("inf")
    facts = within.facts if within.kind == "loop" else [f for f in script.facts if f.frame.inside(within)]
    for fact in facts:
        if after < fact.time < end and (
            (
                fact.kind == "attribute"
                and fact.name in {"grad", "data"}
                and "grad" in _path(fact.owner, fact.name)
            )
            or (fact.kind == "augmented" and fact.name.endswith((".grad", ".grad.data")))
        ):
            return True
    return any(
        after < call.time < end
        and call.frame is not None
        and call.frame.inside(within)
        and any(value.op == "grad" for value in call.args[0].sources(THE_SAME))
        for name in WRITES
        for call in script.calls_by_last_name.get(name, ())
        if call.args
    )


def _path(owner: Value | None, name: str) -> str:
    return name if name == "grad" else (owner.op if owner is not None else "")
