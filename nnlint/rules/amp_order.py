"""See rules/amp-order.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.state import roots
from nnlint.static.updates import GRADIENTS, Update, updates
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class AmpOrder(Rule):
    words = ("GradScaler", "scaler", "autocast")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for backward in script.events_of(EventKind.BACKWARD):
            if backward.call.node is not None and _under_autocast(backward):
                yield self.problem(
                    backward.call.node,
                    "`backward` runs inside the autocast region, which PyTorch advises against; leave the "
                    "region after the loss",
                    severity=Severity.INFO,
                )
        if not script.complete:
            return
        for update in updates(script):
            found = self._mixed(script, update)
            if found is not None:
                yield found
        yield from self._never_updated(script)

    def _mixed(self, script: ScriptModel, update: Update) -> Problem | None:
        """A scaled `backward` with a plain step, or the reverse."""
        backward = next((event for event in reversed(update.before(*GRADIENTS))), None)
        if backward is None or backward.kind is not EventKind.BACKWARD or update.step.call.node is None:
            return None
        scaled = _is_scaled(backward)
        through = update.step.call.op == "scaler.step"
        between = [event for event in update.events if backward.time < event.time < update.step.time]
        if (
            scaled is None
            or scaled is through
            or any(event.kind is EventKind.OPAQUE for event in between)
            # Gradients that were unscaled by hand may be stepped on directly.
            or (scaled and any(event.kind is EventKind.UNSCALE for event in between))
        ):
            return None
        name = script.name_of(update.optimizer, "optimizer")
        if scaled:
            return self.problem(
                update.step.call.node,
                f"the loss was scaled before `backward()`, but `{name}` steps on the scaled gradients, "
                f"which are tens of thousands of times too large; call `scaler.step({name})` and "
                f"`scaler.update()`",
                related=((backward.call.node, "scales the loss"),),
            )
        if backward.call.node is None or any(
            event.kind is EventKind.BACKWARD and _is_scaled(event) is not False
            for event in update.round.events
        ):
            return None
        scaler = update.step.call.receiver
        scaler_name = script.name_of(scaler, "scaler") if scaler is not None else "scaler"
        return self.problem(
            backward.call.node,
            f"`{script.text(update.step.call.node)}` divides the gradients by the loss scale, but this loss "
            f"was never scaled, so the updates vanish; write `{scaler_name}.scale(loss).backward()`",
            related=((update.step.call.node, "the step"),),
        )

    def _never_updated(self, script: ScriptModel) -> Iterator[Problem]:
        if any(True for _ in script.events_of(EventKind.SCALER_UPDATE)):
            return
        for step in script.events_of(EventKind.STEP):
            scaler = step.call.receiver
            if (
                step.call.op != "scaler.step"
                or step.call.node is None
                or scaler is None
                or step.frame.loop() is None
            ):
                continue
            if not all(part.op.endswith("GradScaler") for part in roots(scaler)) or _handed_on(
                script, scaler
            ):
                continue
            name = script.name_of(scaler, "scaler")
            if "update" in script.uses_of(name.rpartition(".")[2]):
                continue
            yield self.problem(
                step.call.node,
                f"`{name}.update()` is never called, so the scale never adapts and after one overflow "
                f"`{name}.step` fails or skips for good; call it after the step",
            )


def _under_autocast(event: Event) -> bool:
    for frame in event.frame.chain():
        if frame.kind == "with" and frame.value is not None and frame.value.op == "torch.amp.autocast":
            return True
        if frame.kind == "function":
            break
    return False


def _is_scaled(backward: Event) -> bool | None:
    """Whether the loss was scaled by a `GradScaler`; None where that is not sure."""
    if backward.target is None or backward.target.kind is not Kind.TENSOR:
        return None
    found = any(
        value.op == "scaler.scale"
        for value in backward.target.graph(lambda value: value.op == "scaler.scale")
    )
    if found:
        return all(value.op == "scaler.scale" for value in backward.target.sources()) or None
    hidden = any(
        value.op in {"call", "param", "free"} and value.kind is not Kind.MODULE
        for value in _near(backward.target)
    )
    return None if hidden else False


def _near(loss: Value) -> list[Value]:
    """What the loss was computed from by plain arithmetic."""
    return list(loss.graph(lambda value: value.op not in {"add", "div", "mul", "mean", "sum", "join"}))


def _handed_on(script: ScriptModel, scaler: Value) -> bool:
    ids = {id(part) for part in roots(scaler)}
    return any(
        id(part) in ids
        for call in script.calls
        for value in (*call.args, *call.kwargs.values())
        for part in roots(value)
    )
