"""Several optimizers in one loop: which backward passes each step uses, and which it should not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static.holdings import touched
from nnlint.static.reach import held, may_reach, parts, surely_reaches
from nnlint.static.updates import apart, same_object, touches
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

ACTS = frozenset({EventKind.BACKWARD, EventKind.STEP, EventKind.ZERO_GRAD, EventKind.GRAD})


@dataclass(eq=False)
class Turn:
    """One optimizer's step inside a loop in which another optimizer steps, too."""

    step: Event
    loop: Frame  # the innermost loop around both
    modules: list[Value]  # what the step trains
    inside: set[int]  # ids of these modules and their parts
    rivals: list[tuple[Value, list[Value], set[int]]]  # the other optimizers in the same way
    before: list[Event]  # what the loop does ahead of the step, the nearest first, once round

    @property
    def optimizer(self) -> Value:
        assert self.step.target is not None
        return self.step.target

    @property
    def own(self) -> list[Event]:
        """The backward passes since the last step of any optimizer."""
        found = []
        for event in self.before:
            if event.kind is EventKind.STEP:
                break
            if event.kind is EventKind.BACKWARD and event.target is not None:
                found.append(event)
        return found


def turns(script: ScriptModel) -> Iterator[Turn]:
    """Every step of an optimizer that has rivals, where the file shows what each of them trains."""
    told: set[int] = set()
    for step in filter(_steps, script.events):
        assert step.target is not None
        modules = held(step.target)
        if not modules or id(step.call.node) in told:
            continue
        for loop in step.frame.loops():
            rivals = _rivals(step, [e for e in loop.events if _steps(e)], modules)
            if rivals:
                told.add(id(step.call.node))
                acts = sorted((e for e in loop.events if e.kind in ACTS), key=lambda e: e.time)
                place = acts.index(step)
                before = [*reversed(acts[:place]), *reversed(acts[place + 1 :])]
                yield Turn(step, loop, modules, parts(modules), rivals, before)
                break


def _steps(event: Event) -> bool:
    return event.kind is EventKind.STEP and event.target is not None and event.target.kind is Kind.OPTIMIZER


def _rivals(
    step: Event, others: list[Event], modules: list[Value]
) -> list[tuple[Value, list[Value], set[int]]]:
    """The optimizers of other steps that are surely others, and share nothing with this one."""
    found: list[tuple[Value, list[Value], set[int]]] = []
    own = parts(modules)
    for other in others:
        assert other.target is not None
        if not apart(other.target, step.target) or any(
            same_object(known, other.target) for known, _, _ in found
        ):
            continue
        theirs = held(other.target)
        inside = parts(theirs)
        if theirs and not own & inside:
            found.append((other.target, theirs, inside))
    return found


def frozen(script: ScriptModel, inside: set[int]) -> bool:
    """Whether gradients of these modules are switched off somewhere, as far as the file shows."""
    for event in script.events_of(EventKind.FREEZE):
        modules = touched(event)
        if not modules or any(part & inside for part in (parts([module]) for module in modules)):
            return True
    return False


@dataclass(eq=False)
class Foreign:
    """A step that also uses the gradients of a loss that another optimizer was stepped on."""

    turn: Turn
    loss: Event  # the other loss's backward
    rival: Value
    misplaced: Event | None  # a `zero_grad` of the other network in the place where this one's belongs


def foreign_gradients(script: ScriptModel) -> Iterator[Foreign]:
    """A network takes part in its rival's loss, and its gradients are not cleared before its own."""
    for turn in turns(script):
        clears = [
            e for e in turn.before if e.kind is EventKind.ZERO_GRAD and touches(e.target, turn.optimizer)
        ]
        own = [e for e in turn.own if e.target is not None and surely_reaches(e.target, turn.inside)]
        if not clears or not own or frozen(script, turn.inside):  # never cleared: missing-zero-grad
            continue
        rival_step: Event | None = None
        misplaced: Event | None = None
        for event in turn.before:
            if event is clears[0]:
                break
            if event.kind is EventKind.STEP:
                rival_step = event
            elif event.kind is EventKind.ZERO_GRAD and rival_step is None:
                misplaced = event
            elif event.kind is EventKind.BACKWARD and rival_step is not None and event.target is not None:
                rival = next((r for r in turn.rivals if same_object(r[0], rival_step.target)), None)
                if rival is None:
                    break
                if any(e.target is None or may_reach(e.target, rival[2]) for e in turn.own):
                    break  # the networks train together
                if surely_reaches(event.target, turn.inside) and surely_reaches(event.target, rival[2]):
                    yield Foreign(turn, event, rival[0], misplaced)
                break
