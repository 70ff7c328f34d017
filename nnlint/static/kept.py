"""Weights kept for later: state dicts and models bound to a name while training goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.evaluation import covers
from nnlint.static.values import Event, EventKind, Fact, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Calls that make new tensors.
FRESH = frozenset({"copy.deepcopy", "clone", "torch.load", "comprehension"})
_TRAINS = re.compile(r"train|fit|step|update|epoch|optimi", re.IGNORECASE)


@dataclass(eq=False)
class Kept:
    """`model.state_dict()` (or the model itself) bound to a name, and read again after more training."""

    fact: Fact
    call: Value  # the state_dict call, or the module
    name: str
    use: Value | None
    whole: bool = False


def kept_states(script: ScriptModel) -> Iterator[Kept]:
    """State dicts without a copy that are used after their model was trained further."""
    uses = list(_uses(script))
    for fact in script.facts:
        if fact.kind not in {"name", "attribute", "subscript"}:
            continue
        for call in _state_calls(fact.value):
            if call.args and call.args[0].kind is Kind.MODULE:
                use = next((u for u in uses if _later(script, fact, call, u)), None)
                if use is not None:
                    yield Kept(fact, call, fact.name or call.name or "it", use.call)


def _state_calls(value: Value) -> Iterator[Value]:
    """The state_dict calls that a stored value is, directly or as an item of a dictionary."""
    if value.op == "state_dict" and value.kind is Kind.STATE_DICT:
        yield value
    elif value.op == ".copy" and value.receiver is not None:  # another dictionary of the same tensors
        yield from _state_calls(value.receiver)
    elif value.kind is Kind.MAPPING and value.op == "dict":
        for item in value.attrs.values():
            if item.op == "state_dict" and item.kind is Kind.STATE_DICT:
                yield item


@dataclass(eq=False)
class _Use:
    call: Value
    frame: Frame
    time: int
    values: set[int]
    carried: set[int]  # those that an earlier turn of a loop, or an earlier call of a method, may have left


def _uses(script: ScriptModel) -> Iterator[_Use]:
    """Where weights are loaded or saved."""
    for event in script.events_of(EventKind.LOAD_STATE, EventKind.SAVE):
        values, carried = set[int](), set[int]()
        stack = [(value, False) for value in (*event.call.args, *event.call.kwargs.values())]
        while stack:
            value, late = stack.pop()
            reached = carried if late else values
            if id(value) in reached:
                continue
            reached.add(id(value))
            if value.op in FRESH:
                continue
            late = late or value.op == "phi"
            below = [*value.alts, *value.args, *value.kwargs.values()]
            if value.kind is Kind.MAPPING:
                below.extend(value.attrs.values())
            stack.extend((part, late) for part in below)
        yield _Use(event.call, event.frame, event.time, values | carried, carried)


def _later(script: ScriptModel, fact: Fact, call: Value, use: _Use) -> bool:
    """Whether the model is trained between the keeping and this use, on some way through the script."""
    if id(call) not in use.values and id(fact.value) not in use.values:
        return False
    model = call.args[0]
    if use.time > fact.time and any(
        fact.time < e.time < use.time for e in script.events if _trains(script, e, model)
    ):
        return not _overwritten(script, fact, use)
    if id(call) not in use.carried and id(fact.value) not in use.carried:
        return False
    for loop in _loops_around(fact.frame, model):
        steps = [event for event in loop.events if _trains(script, event, model)]
        if not steps:
            continue
        conditional = bool(fact.frame.tests(until=loop))
        if not conditional:
            return False
        # The next turn trains on; a use sees what an earlier turn kept, unless it stands beside it.
        beside = fact.frame.tests(until=loop)[0]
        return not use.frame.inside(beside)
    return False


def _loops_around(frame: Frame, model: Value) -> list[Frame]:
    """The loops around a place whose every turn goes on with the same model, none that makes a new one."""
    made = [part.frame for part in model.alternatives() if part.frame is not None]
    return [loop for loop in frame.loops() if not any(place.inside(loop) for place in made)]


def _overwritten(script: ScriptModel, fact: Fact, use: _Use) -> bool:
    """Whether the same name is surely set again between the training and the use."""
    loop = fact.frame.loop()
    return any(
        other is not fact
        and other.name == fact.name
        and other.kind == fact.kind
        and fact.time < other.time < use.time
        and other.frame.loop() is use.frame.loop() is loop
        and not other.frame.tests(until=loop)
        for other in script.facts
    )


def _trains(script: ScriptModel, event: Event, model: Value) -> bool:
    """Whether an event changes the weights of the model."""
    if event.kind is EventKind.FORWARD:
        return event.target is not None and covers(model, event.target) and script.evaluations.trains(event)
    if event.kind is EventKind.OPAQUE and event.target is not None and covers(event.target, model):
        call = event.call
        name = (
            call.receiver.name
            if call.op == "call" and call.receiver is not None
            else call.op.rpartition(".")[2]
        )
        return _TRAINS.search(name) is not None
    return False


def kept_models(script: ScriptModel) -> Iterator[Kept]:
    """`best_model = model` under a test inside the loop that trains the model."""
    for fact in script.facts:
        expression = getattr(fact.node, "value", None)
        if (
            fact.kind not in {"name", "attribute"}
            or fact.value.kind is not Kind.MODULE
            or not isinstance(expression, (cst.Name, cst.Attribute))
            or "best" not in fact.name.lower()
        ):
            continue
        for loop in _loops_around(fact.frame, fact.value):
            if fact.frame.tests(until=loop) and any(_trains(script, e, fact.value) for e in loop.events):
                yield Kept(fact, fact.value, fact.name, None, whole=True)
                break
