"""Losses that outlive their step with their graph: added to a running total, or appended to a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static import torch_api
from nnlint.static.splits import loaders_behind
from nnlint.static.values import EventKind, Fact, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

ARITHMETIC = {"add", "sub", "mul", "div", "neg"}


@dataclass(eq=False)
class Retained:
    """`node`: the statement; `leaf`: the loss in it; `name`: what keeps it."""

    node: cst.CSTNode
    leaf: cst.BaseExpression
    name: str
    still_tensor: bool  # the total is used as a tensor later on


def retained(script: ScriptModel) -> Iterator[Retained]:
    """Totals and lists that collect losses which were back-propagated, and are not back-propagated
    themselves."""
    losses = [e.target for e in script.events_of(EventKind.BACKWARD) if e.target is not None]
    if not losses:
        return
    # What was back-propagated: the target itself, whatever it was scaled by, and the terms of its sum.
    ids = {id(part) for loss in losses for part in _terms(loss)}
    for fact in script.facts:
        found = _added(script, fact, ids) or _appended(script, fact, ids)
        if found is not None:
            yield found


def _terms(loss: Value) -> Iterator[Value]:
    """A back-propagated loss before scaling, and what it was summed from."""
    stack, seen = [loss], set[int]()
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value.kind is Kind.TENSOR or value.alts:
            yield value
        stack.extend(value.alts)
        if value.op in ARITHMETIC or value.op in {"scaler.scale", "mean", "sum", *torch_api.LOOK_THROUGH}:
            # What a loss is divided by is a number of tokens or steps.
            stack.extend(value.args[:1] if value.op == "div" else value.args)


def _added(script: ScriptModel, fact: Fact, losses: set[int]) -> Retained | None:
    """`total += loss` and `total = total + loss`."""
    value = fact.value
    if value.op != "add" or value.kind is not Kind.TENSOR or id(value) in script.evaluations.back_propagated:
        return None
    expression = getattr(fact.node, "value", None)
    if fact.kind == "augmented":
        before, right = value.args
    elif fact.kind in {"name", "attribute"} and isinstance(expression, cst.BinaryOperation):
        before, right, expression = *value.args, expression.right
        if before.name != fact.name and not before.name.endswith(f".{fact.name}"):
            return None
    else:
        return None
    home = _step_loop(fact.frame)
    if home is None or not _carried(before, value, home) or not isinstance(expression, cst.BaseExpression):
        return None
    leaf = _leaf(expression, right, losses)
    if leaf is None:
        return None
    tensor = any(
        call.op not in ARITHMETIC
        and call.args
        and value in call.args[0].alternatives()
        and call.time > fact.time
        for call in script.calls
        if isinstance(call.node, cst.Call) and isinstance(call.node.func, cst.Attribute)
    )
    return Retained(fact.node, leaf, fact.name, tensor)


def _appended(script: ScriptModel, fact: Fact, losses: set[int]) -> Retained | None:
    """`losses.append(loss)`."""
    call = fact.value
    if fact.kind != "expression" or call.op != "list.append" or len(call.args) != 1 or call.receiver is None:
        return None
    kept = call.receiver
    home = _step_loop(fact.frame)
    if home is None or kept.frame is None or kept.frame.inside(home) or kept.time > home.start:
        return None
    if "maxlen" in kept.kwargs:  # a deque that forgets
        return None
    if id(kept) in script.evaluations.back_propagated or not isinstance(call.node, cst.Call):
        return None
    leaf = _leaf(call.node.args[0].value, call.args[0], losses)
    if leaf is None or _read_again(script, kept, call):
        return None
    return Retained(fact.node, leaf, kept.name or "the list", still_tensor=False)


def _read_again(script: ScriptModel, kept: Value, append: Value) -> bool:
    """Whether the list is turned into numbers or handed on: what is kept is then somebody else's choice."""
    return any(
        call is not append
        and call.op in {"list.clear", "list.pop", "stack", "cat"}
        and kept in (call.receiver, *call.args)
        for call in script.calls
    )


def _step_loop(frame: Frame) -> Frame | None:
    """The innermost loop around that back-propagates, and whose turns are not parts of one batch's step."""
    loops = list(frame.loops())
    for place, loop in enumerate(loops):
        outer = loops[place + 1 :]
        if not _has(loop, EventKind.BACKWARD):
            continue
        if not _has(loop, EventKind.STEP) and any(_has(other, EventKind.STEP) for other in outer):
            continue
        batches = [loader for other in outer for loader in loaders_behind(other.value)]
        if batches and all(loader in batches for loader in loaders_behind(loop.value)):
            continue
        return loop
    return None


def _has(loop: Frame, kind: EventKind) -> bool:
    return any(event.kind is kind for event in loop.events)


def _carried(before: Value, after: Value, loop: Frame) -> bool:
    """Whether the total before comes from an earlier turn of the loop."""
    if before.op == "phi" and before.time <= loop.start:
        return after in before.alternatives() or any(after in part.args for part in before.alternatives())
    return before.op == "phi" and before.kind is not Kind.TENSOR and after in before.alternatives()


def _leaf(
    node: cst.BaseExpression, value: Value, losses: set[int], depth: int = 0
) -> cst.BaseExpression | None:
    """The part of an added expression that is a back-propagated loss with its graph."""
    if value.grad is False or value.kind is not Kind.TENSOR or depth > 4:
        return None
    if isinstance(node, cst.BinaryOperation) and value.op in ARITHMETIC and len(value.args) == 2:
        return _leaf(node.left, value.args[0], losses, depth + 1) or _leaf(
            node.right, value.args[1], losses, depth + 1
        )
    if any(part.op in torch_api.CUTS_GRADIENT for part in value.alternatives()):
        return None  # where it was back-propagated, perhaps
    if isinstance(node, cst.Call) and value.op in torch_api.LOOK_THROUGH | {"mean", "sum"} and value.args:
        inner = node.func.value if isinstance(node.func, cst.Attribute) else None
        return (
            node if inner is not None and _leaf(inner, value.args[0], losses, depth + 1) is not None else None
        )
    return node if any(id(part) in losses for part in (value, *value.alternatives())) else None
