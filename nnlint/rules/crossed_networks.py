"""See rules/crossed-networks.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.reach import held, may_reach, parts
from nnlint.static.rivals import Turn, foreign_gradients, turns
from nnlint.static.state import roots
from nnlint.static.updates import constructed, covers, touches, writes_gradients
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel


_STEPS = 3


class CrossedNetworks(Rule):
    words = ("backward",)
    explained_by = ("non-differentiable-loss", "everything-frozen")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.health import of

        health = of(seen)
        steppers = health.steppers if health else ()
        if not any(stepper.graded for stepper in steppers):
            return
        for stepper in steppers:
            if stepper.steps >= _STEPS and not stepper.graded:
                yield Sighting(
                    stepper.place,
                    f"this optimizer stepped {stepper.steps} times, and never did any of its "
                    f"{stepper.parameters} parameters have a gradient, so what it holds is never trained: "
                    "no loss that is differentiated before its step depends on it; pair each loss with the "
                    "optimizer of its network",
                    evidence={"steps": stepper.steps, "parameters": stepper.parameters},
                )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete or any(map(_trains_by_hand, script.events_of(EventKind.GRAD))):
            return
        told: set[int] = set()
        for turn in turns(script):
            problem = self._empty(script, turn)
            if problem is not None:
                told.update(id(part) for part in roots(turn.optimizer))
                yield problem
        for found in foreign_gradients(script):
            if found.misplaced is not None and found.misplaced.call.node is not None:
                own, step = found.turn.own[0], found.turn.step
                yield self.problem(
                    found.misplaced.call.node,
                    f"`{script.text(found.misplaced.call.node, 40)}` clears the wrong network before "
                    f"`{script.text(own.call.node, 40)}`: `{script.text(step.call.node, 40)}` also uses the "
                    f"gradients that `{script.text(found.loss.call.node, 40)}` left there; call "
                    f"`{script.name_of(found.turn.optimizer, 'optimizer')}.zero_grad()` here",
                    related=((step.call.node, "steps on the gradients of both losses"),)
                    if step.call.node
                    else (),
                )
        yield from self._never_stepped(script, told)

    def _empty(self, script: ScriptModel, turn: Turn) -> Problem | None:
        """A step whose network gets no gradient from any of the losses since it was last cleared."""
        step = turn.step
        if step.call.node is None or turn.optimizer.cls is not None or step.call.args[1:]:
            return None
        losses: list[Event] = []
        for event in turn.before:
            if event.kind is EventKind.ZERO_GRAD and touches(event.target, turn.optimizer):
                if losses:
                    break
            elif event.kind is EventKind.BACKWARD:
                losses.append(event)
        if not losses or any(e.target is None or may_reach(e.target, turn.inside) for e in losses):
            return None
        if _hidden(script, turn):
            return None
        return self.problem(
            step.call.node,
            f"`{script.text(step.call.node, 40)}` follows `{script.text(losses[0].call.node, 40)}`, but that "
            f"loss does not depend on what `{script.name_of(turn.optimizer, 'the optimizer')}` trains: the "
            f"step finds no gradients and changes nothing; step the optimizer of "
            f"the network that the loss trains",
            related=((losses[0].call.node, "computes the gradients of another network"),)
            if losses[0].call.node
            else (),
        )

    def _never_stepped(self, script: ScriptModel, told: set[int]) -> Iterator[Problem]:
        """An optimizer that is cleared in the loop in which others step, and never steps itself."""
        stepped = [e for e in script.events_of(EventKind.STEP) if e.target is not None]
        for clear, optimizer in _cleared(script):
            loop = clear.frame.loop()
            if loop is None or clear.call.node is None or id(optimizer) in told:
                continue
            if optimizer.kind is not Kind.OPTIMIZER or not constructed(optimizer) or not held(optimizer):
                continue
            others = [e for e in loop.events if e.kind is EventKind.STEP and e.target is not None]
            if not others or any(touches(e.target, optimizer) for e in stepped):
                continue
            inside = parts(held(optimizer))
            if not any(
                e.kind is EventKind.BACKWARD and e.target is not None and may_reach(e.target, inside)
                for e in loop.events
            ) or _leaves_sight(script, optimizer):
                continue
            told.add(id(optimizer))
            name = script.name_of(optimizer, "optimizer")
            if any(script.name_of(e.target) == name for e in others if e.target is not None):
                continue  # two that one name stands for, as settings decide
            yield self.problem(
                clear.call.node,
                f"`{name}` is cleared in this loop and never stepped, while "
                f"`{script.text(others[0].call.node, 40)}` is: its network gets gradients and is never "
                f"trained; call `{name}.step()` after its `backward()`",
                related=tuple((e.call.node, "the optimizer that steps") for e in others[:2] if e.call.node),
            )


def _trains_by_hand(event: Event) -> bool:
    """Whether `autograd.grad` may be taken by weights, which can then be stepped without `.grad`."""
    inputs = event.call.args[1] if len(event.call.args) > 1 else event.call.kwargs.get("inputs")
    if inputs is None:
        return True
    taken = [inputs, *(inputs.args if inputs.kind is Kind.SEQUENCE else ())]
    return any(part.kind not in (Kind.TENSOR, Kind.SEQUENCE) for one in taken for part in one.alternatives())


def _cleared(script: ScriptModel) -> Iterator[tuple[Event, Value]]:
    """What clears gradients, and whose: an optimizer's own, or those of a network that one surely holds."""
    for clear in script.events_of(EventKind.ZERO_GRAD):
        if clear.target is None:
            continue
        if clear.target.kind is Kind.MODULE:
            yield from ((clear, one) for one in script.optimizers if covers(clear.target, one))
        else:
            yield clear, clear.target


def _hidden(script: ScriptModel, turn: Turn) -> bool:
    """Whether gradients may come in a way that the file does not show."""
    for event in turn.loop.events:
        if event.kind is EventKind.OPAQUE and event.target is not None:
            if event.target.kind is Kind.INSTANCE or (
                event.target.kind is Kind.OPTIMIZER and touches(event.target, turn.optimizer)
            ):
                return True
            if (
                event.target.kind is Kind.MODULE
                and (parts(roots(event.target)) & turn.inside)
                and "backward" in _name(event.call)
            ):
                return True
    if writes_gradients(script, turn.loop):
        return True
    known = {id(event.call) for event in turn.loop.events}
    return any(
        "backward" in _name(call) and id(call) not in known
        for call in script.calls
        if call.frame is not None and call.frame.inside(turn.loop)
    )


def _name(call: Value) -> str:
    return call.receiver.name if call.op == "call" and call.receiver is not None else call.op


def _leaves_sight(script: ScriptModel, optimizer: Value) -> bool:
    """Whether something that the file does not show may step it."""
    own = {id(part) for part in roots(optimizer)}

    def holds(value: Value, depth: int = 0) -> bool:
        return any(
            id(part) in own
            or (
                depth < 3
                and part.kind in (Kind.SEQUENCE, Kind.MAPPING)
                and any(holds(item, depth + 1) for item in (*part.args, *part.attrs.values()))
            )
            for part in value.alternatives()
        )

    if any(
        holds(arg)
        for call in script.calls
        if call.kind is not Kind.SCHEDULER
        for arg in (*call.args, *call.kwargs.values())
    ):
        return True
    return any(
        (fact.kind in {"return", "subscript"} and holds(fact.value))
        or (
            fact.kind == "attribute"
            and holds(fact.value)
            and not (
                fact.owner is not None
                and fact.owner.cls is not None
                and fact.owner.cls.fully_seen()
                and not fact.owner.cls.is_lightning
            )
        )
        for fact in script.facts
    )
