"""See rules/hidden-state-not-detached.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static import gradients
from nnlint.static.state import roots
from nnlint.static.torch_api import LOOK_THROUGH, LOSSES
from nnlint.static.values import Event, EventKind, Fact, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

CUTS = gradients.CUTS | {"variable", "call", "zeros_like", "copy.deepcopy"}
SUMS = frozenset({"add", "mul", "div", "mean", "sum"})
STATES = frozenset({"lstm_state", "gru_state", "rnn_state"})
CELLS = frozenset({"lstm_cell", "gru_cell", "rnn_cell"})
# Anything that may cut or renew a state that is kept on the module.
CUT_WORDS = re.compile(rb"\.detach|\bdetach\w*\(|\.data\b|repackage|deepcopy|zero_\(|fill_\(")


class HiddenStateNotDetached(Rule):
    words = ("LSTM", "GRU", "RNN", "hidden", "state")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for forward in script.events_of(EventKind.FORWARD):
            loop = forward.frame.loop()
            call = forward.call
            if loop is None or call.node is None or not forward.grad or not _trains_each_turn(forward, loop):
                continue
            if not _stepped_near(loop):
                continue  # gradients that are only looked at
            for value in _inputs(call):
                if _reset_through(script, value):
                    continue
                if value.op == "phi" and _carried(value, forward) and not _detached(script, loop):
                    name = script.name_of(value, "the hidden state")
                    yield self.problem(
                        call.node,
                        f"`{name}` comes from the batch before with its graph, so `backward` goes back "
                        f"through all earlier batches (or fails on freed buffers); write `{name}.detach()` "
                        f"at the start of each batch",
                        severity=None if _recurrent(value) else Severity.INFO,
                    )
                    break
        yield from self._kept_on_self(script)

    def _kept_on_self(self, script: ScriptModel) -> Iterator[Problem]:
        """`out, self.hidden = self.lstm(x, self.hidden)`, which nothing resets or cuts."""
        if CUT_WORDS.search(script.source.data) is not None:
            return
        for fact in script.facts:
            if (
                fact.kind != "attribute"
                or fact.owner is None
                or not _fed_back(fact.value, fact.owner, fact.name)
            ):
                continue
            if _set_elsewhere(script, fact):
                continue
            for forward in script.events_of(EventKind.FORWARD):
                loop = forward.frame.loop()
                if forward.target is None or fact.owner not in roots(forward.target) or loop is None:
                    continue
                if forward.grad and _trains_each_turn(forward, loop):
                    yield self.problem(
                        fact.node,
                        f"`self.{fact.name}` keeps the state of the batch before with its graph, and nothing "
                        f"resets or detaches it: `backward` goes back through all earlier batches (or fails "
                        f"on freed buffers); detach it before the next batch",
                        related=((forward.call.node, "called for each batch"),),
                    )
                    break


def _reset_through(script: ScriptModel, state: Value) -> bool:
    """Whether something sets the attribute to None, in whatever way it reaches the object."""
    return any(
        fact.kind == "attribute"
        and fact.value.is_const(None)
        and fact.name == state.name.rpartition(".")[2]
        and not any(info.name == "__init__" for info in fact.frame.functions()[:1])
        for fact in script.facts
    )


def _set_elsewhere(script: ScriptModel, fact: Fact) -> bool:
    """Whether anything but `__init__` sets the attribute anew."""
    return any(
        other.kind == "attribute"
        and other.name == fact.name
        and other.node is not fact.node
        and not any(info.name == "__init__" for info in other.frame.functions()[:1])
        for other in script.facts
    )


def _fed_back(state: Value, owner: Value, name: str) -> bool:
    """Whether what a recurrent layer returns as its state is what it is given the next time."""
    states = _flat([state])
    if not states or not all(part.op in STATES for part in states):
        return False
    kept = owner.attrs.get(name)
    return kept is not None and any(arg is kept for arg in states[0].args[1:])


def _inputs(call: Value) -> list[Value]:
    """What the module was given; a result of several parts is a sequence of values with the same inputs."""
    while call.kind is Kind.SEQUENCE and call.args:
        call = call.args[0]
    return _flat([*call.args, *call.kwargs.values()])


def _flat(values: list[Value]) -> list[Value]:
    found = []
    for value in values:
        found.extend(
            _flat(value.args)
            if value.kind is Kind.SEQUENCE and value.element is None and not value.alts
            else [value]
        )
    return found


def _stepped_near(loop: Frame) -> bool:
    """Whether a step is taken in the loop, or in one around it."""
    return any(
        event.kind is EventKind.STEP and (around is loop or event.frame.loop() is around)
        for around in loop.loops()
        for event in around.events
    )


def _trains_each_turn(forward: Event, loop: Frame) -> bool:
    return any(
        event.kind is EventKind.BACKWARD
        and event.frame.loop() is loop
        and event.time > forward.time
        and event.target is not None
        and event.target.derives_from(_flat([forward.call]))
        for event in loop.events
    )


def _carried(state: Value, forward: Event) -> bool:
    """Whether what the module returned in the turn before comes back as it is, on no way through a detach."""
    module = forward.target
    found = False
    for alternative in state.alts:
        for value in alternative.graph(lambda value: value is state or _made_by(value, module)):
            if value.op in CUTS or (value.op.startswith(".") and value.kind is Kind.UNKNOWN):
                return False  # nor does what an object of its own makes of it, such as an environment's step
            if value is not state and _made_by(value, module):
                found = found or value.derives_from([state])
    return found


def _recurrent(state: Value) -> bool:
    """Whether a recurrent layer gave it, as far as the file shows: what else comes back may be meant to."""
    return any(part.op in STATES or part.op in CELLS for part in state.graph())


def _made_by(value: Value, module: Value | None) -> bool:
    return module is not None and value.receiver is module and value.kind is not Kind.SEQUENCE


def _detached(script: ScriptModel, loop: Frame) -> bool:
    """Whether anything but a loss is detached in the loop."""
    for call in script.calls:
        if call.op not in {"detach", "detach_"} or call.frame is None or not call.frame.inside(loop):
            continue
        if call.args and not any(source.op in LOSSES | SUMS for source in call.args[0].sources(LOOK_THROUGH)):
            return True
    return False
