"""See rules/gan-graph-leak.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.reach import may_reach, surely_reaches, through
from nnlint.static.rivals import Turn, foreign_gradients, frozen, turns
from nnlint.static.updates import same_object, touches
from nnlint.static.values import Event, EventKind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# A call of this name that cannot be seen may switch gradients off or clear them.
SWITCHES = re.compile(r"grad|freeze|toggle|zero|reset", re.IGNORECASE)


class GanGraphLeak(Rule):
    words = ("backward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        found_turns = list(turns(script))
        if any(turn.own and not any(_may_use(turn, event) for event in turn.own) for turn in found_turns):
            return  # an optimizer steps on the other network's loss: crossed-networks says so
        told = False
        for turn in found_turns:
            for problem in self._leak(script, turn):
                told = True
                yield problem
        for found in foreign_gradients(script):
            if told or found.misplaced is not None:
                continue  # one cause; crossed-networks says so
            own, step = found.turn.own[0], found.turn.step
            if step.call.node is None or found.loss.call.node is None:
                continue
            name = script.name_of(found.turn.optimizer, "the optimizer")
            yield self.problem(
                step.call.node,
                f"`{name}` also steps on the gradients that `{script.text(found.loss.call.node, 40)}` left "
                f"in its network for `{script.name_of(found.rival, 'the other optimizer')}`; call "
                f"`{name}.zero_grad()` right before `{script.text(own.call.node, 40)}`",
                related=((found.loss.call.node, "reaches this network, too"),),
            )

    def _leak(self, script: ScriptModel, turn: Turn) -> Iterator[Problem]:
        for backward in turn.own:
            assert backward.target is not None
            for rival, modules, inside in turn.rivals:
                found = through(backward.target, turn.inside, inside)
                if found is None or found[0].node is None:
                    continue
                if frozen(script, inside) or _switched(script, modules):
                    continue
                kept = _kept(turn, backward, rival, inside)
                if kept is None:
                    continue
                critic, output = found
                if any(surely_reaches(arg, turn.inside) for arg in output.args):
                    continue  # its own gradient runs through the rival
                carrier = next((arg for arg in critic.args if surely_reaches(arg, inside)), output)
                if _wanted(script, backward, critic, carrier, kept):
                    continue
                judge, maker = _called(script, critic), _called(script, output)
                repair = f"pass `{carrier.name}.detach()`" if carrier.name else "detach that output"
                fate = (
                    f"are added to those of its own loss before `{script.name_of(rival, 'it')}` steps"
                    if kept
                    else "are computed for nothing, in every step"
                )
                assert critic.node is not None
                yield self.problem(
                    critic.node,
                    f"`{judge}` is given the output of `{maker}` with its graph, so "
                    f"`{script.text(backward.call.node, 40)}` goes on into `{maker}`, which this step does "
                    f"not train: its gradients {fate}; {repair}",
                    related=((backward.call.node, "back-propagated here"),),
                )
                return


def _may_use(turn: Turn, backward: Event) -> bool:
    return backward.target is None or may_reach(backward.target, turn.inside)


def _called(script: ScriptModel, output: Value) -> str:
    """The network of which this is the output, as it is called there."""
    if isinstance(output.node, cst.Call):
        return script.text(output.node.func, 40)
    return script.name_of(output.receiver, "the network") if output.receiver is not None else "the network"


def _wanted(script: ScriptModel, backward: Event, critic: Value, carrier: Value, kept: bool) -> bool:
    """Whether the graph is needed: a gradient penalty differentiates the samples, or the other network's loss
    uses the same output."""
    for event in script.events_of(EventKind.GRAD, EventKind.BACKWARD):
        if event.kind is EventKind.GRAD:
            if any(
                part is carrier
                for arg in (*event.call.args[1:], *event.call.kwargs.values())
                for part in (*arg.alternatives(), *arg.args)
            ):
                return True
        elif kept or event.target is None or event.call.node is backward.call.node:
            continue
        elif event.target.derives_from([critic]):
            return True
    return False


def _switched(script: ScriptModel, modules: list[Value]) -> bool:
    """Whether an unseen call that is given the rival's network may switch its gradients off."""
    return any(
        event.kind is EventKind.OPAQUE
        and event.target is not None
        and any(script.same(event.target, module) for module in modules)
        and SWITCHES.search(
            event.call.receiver.name
            if event.call.op == "call" and event.call.receiver is not None
            else event.call.op
        )
        for event in script.events
    )


def _kept(turn: Turn, backward: Event, rival: Value, inside: set[int]) -> bool | None:
    """What becomes of the rival's gradients: False, they are cleared unused; True, they join those of its own
    loss; None, it steps on them, as in joint training."""
    order = [turn.step, *reversed(turn.before)]
    order = [*order[order.index(backward) + 1 :], *order[: order.index(backward)]]
    stepped = joined = False
    for event in order:
        if event is turn.step:
            stepped = True
        elif event.kind is EventKind.ZERO_GRAD and touches(event.target, rival):
            return False
        elif event.kind is EventKind.STEP and same_object(event.target, rival):
            return True if joined else None
        elif event.kind is EventKind.BACKWARD and stepped and event.target is not None:
            joined = joined or may_reach(event.target, inside)
    return None
