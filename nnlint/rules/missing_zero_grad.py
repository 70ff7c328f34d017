"""See rules/missing-zero-grad.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.state import roots
from nnlint.static.updates import Update, touches, trained, updates, writes_gradients
from nnlint.static.values import EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# A helper of this name that cannot be seen may well do it.
CLEARS = re.compile(
    r"(?:zero|clear|reset|null|none)\w*_?grad|grad\w*_(?:zero|clear|reset|none)|optimi[sz]e\w*_step",
    re.IGNORECASE,
)


class MissingZeroGrad(Rule):
    words = ("step",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        found = [update for update in updates(script) if update.looped]
        silent = {id(update.step.call.node) for update in found if _is_sound(script, update)}
        for update in found:
            if update.step.call.node is None or id(update.step.call.node) in silent:
                continue
            name = script.name_of(update.optimizer, "optimizer")
            backward = update.before(EventKind.BACKWARD)
            yield self.problem(
                update.step.call.node,
                f"the gradients that `{name}` steps on are never cleared in this loop: `backward` adds to "
                f"`.grad`, so each step follows the sum of all gradients so far; call `{name}.zero_grad()` "
                f"before `backward()`",
                related=tuple(
                    (event.call.node, "adds to the gradients") for event in backward[-1:] if event.call.node
                ),
            )


def _is_sound(script: ScriptModel, update: Update) -> bool:
    return (
        _own_step(update)
        or _may_clear(script, update)
        or _explained(update)
        or _fresh(update)
        or _timed(script, update)
    )


def _own_step(update: Update) -> bool:
    """Whether `step` is the file's own or a wrapper's (which has a `backward`, too), takes a closure that
    cannot be seen, or clears on request."""
    call = update.step.call
    called_on = (event.call.receiver for event in update.before(EventKind.BACKWARD))
    if any(part is not None and part.kind is Kind.OPTIMIZER for part in called_on):
        return True
    if any(part.cls is not None for part in roots(update.optimizer)) or not update.before(EventKind.BACKWARD):
        return True
    given = [*call.args, *call.kwargs.values()] if call.op != "scaler.step" else call.args[1:]
    return (
        any(value.kind is not Kind.FUNCTION and not value.is_const(None) for value in given)
        or "zero_grad" in call.kwargs
    )


def _may_clear(script: ScriptModel, update: Update) -> bool:
    """Whether anything in the loop clears the gradients, or may, as far as the file shows."""
    held = trained(update.optimizer)
    for event in update.round.events:
        if event.kind is EventKind.ZERO_GRAD and touches(event.target, update.optimizer):
            return True
        if event.kind is EventKind.ZERO_GRAD and event.target is not None and _shares(event.target, held):
            return True
        if event.kind is EventKind.OPAQUE and _hands_over(event.target, update.optimizer, held):
            return True
    for call in script.calls:
        if call.frame is not None and call.frame.inside(update.round):
            name = call.op if call.op != "call" or call.receiver is None else call.receiver.name
            if (CLEARS.search(name) and not name.startswith(("optimizer.", "module."))) or call.op.startswith(
                "super."
            ):
                return True
    return writes_gradients(script, update.round)


def _shares(optimizer: Value, held: tuple[Value, ...]) -> bool:
    """Whether another optimizer, which is cleared, holds one of these networks as well."""
    known = [root for module in held for root in roots(module)]
    return optimizer.kind is Kind.OPTIMIZER and any(
        root is other for module in trained(optimizer) for root in roots(module) for other in known
    )


def _timed(script: ScriptModel, update: Update) -> bool:
    """Whether the loop measures how long a step takes, on made-up numbers: nothing is learnt there."""
    home = next((frame for frame in update.round.chain() if frame.kind in {"function", "module"}), None)
    timed = any(
        call.frame is not None and call.frame.inside(update.round)
        for call in script.calls_of("torch.cuda.synchronize")
    ) or (len(list(_clock(script, home))) > 1)
    fed = [event.call.args for event in update.round.events if event.kind is EventKind.FORWARD]
    return timed and all(
        args and any(part.op in {"rand", "randn", "ones", "zeros"} for part in args[0].graph())
        for args in fed
    )


def _clock(script: ScriptModel, home: Frame | None) -> Iterator[Value]:
    """Where a function reads the clock: once before a loop and once behind it."""
    for call in script.calls_of("time.time", "time.perf_counter", "time.monotonic", "time.process_time"):
        frame = call.frame
        if frame is not None and home is not None and frame.loop() is home.loop() and frame.inside(home):
            yield call


def _hands_over(target: Value | None, optimizer: Value, held: tuple[Value, ...]) -> bool:
    """Whether a call that cannot be seen gets the optimizer itself, or an object that may hold it."""
    if target is None or target.kind is Kind.INSTANCE:
        return True
    if target.kind is Kind.OPTIMIZER:
        return touches(target, optimizer)
    if target.kind is not Kind.MODULE:
        return False
    return not held or touches(target, optimizer)


def _explained(update: Update) -> bool:
    """Whether `optimizer.zero_grad` stands there without being called: uncalled-method says so."""
    return any(
        fact.kind == "expression" and fact.value.const == "zero_grad" and fact.value.op == "getattr"
        for fact in update.round.facts
    )


def _fresh(update: Update) -> bool:
    """Whether what is trained is made anew inside the loop, or is no parameter that persists."""
    held = trained(update.optimizer) or tuple(roots(update.optimizer))
    return any(part.frame is not None and part.frame.inside(update.round) for part in held)
