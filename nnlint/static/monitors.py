"""Figures that a library watches (checkpoints, early stopping, schedulers), and how often a script saves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.arguments import constant
from nnlint.static.metrics import Better, better, better_by_name
from nnlint.static.values import EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

MODES = {"min": Better.LOWER, "max": Better.HIGHER}


@dataclass(eq=False)
class Monitor:
    """A watched figure whose direction contradicts the setting."""

    node: cst.CSTNode
    name: str
    better: Better
    setting: str
    repair: str


def monitors(script: ScriptModel) -> Iterator[Monitor]:
    """Library helpers that are told the wrong direction, or none where their default is the wrong one."""
    for call in script.calls:
        if call.node is None:
            continue
        short = call.op.rpartition(".")[2]
        if short in {"EarlyStopping", "ModelCheckpoint"} and call.op.startswith("lightning."):
            yield from _callback(call, short)
        elif short in {"TrainingArguments", "Seq2SeqTrainingArguments"} and call.op.startswith(
            "transformers."
        ):
            yield from _arguments(call)
    for event in script.events_of(EventKind.SCHEDULER_STEP):
        yield from _plateau(script, event.call, event.target)


def _callback(call: Value, short: str) -> Iterator[Monitor]:
    watched = call.kwargs.get("monitor") or (call.args[0] if short == "EarlyStopping" and call.args else None)
    mode = call.kwargs.get("mode")
    if watched is None or not isinstance(watched.const, str) or call.node is None or "**" in call.kwargs:
        return
    if mode is not None and (mode.kind is not Kind.CONST or mode.const not in MODES):
        return
    keeps = MODES[mode.const] if mode is not None else Better.LOWER
    direction = better_by_name(watched.const)
    if direction is not None and direction is not keeps:
        wanted = "max" if direction is Better.HIGHER else "min"
        setting = f'`mode="{mode.const}"`' if mode is not None else f'the default `mode="min"` of `{short}`'
        yield Monitor(call.node, watched.const, direction, setting, f'pass `mode="{wanted}"`')


def _arguments(call: Value) -> Iterator[Monitor]:
    watched, greater = call.kwargs.get("metric_for_best_model"), call.kwargs.get("greater_is_better")
    if watched is None or greater is None or not isinstance(watched.const, str) or call.node is None:
        return
    direction = better_by_name(watched.const)
    if direction is not None and greater.is_const(direction is Better.LOWER):
        setting = f"`greater_is_better={greater.const}`"
        yield Monitor(
            call.node, watched.const, direction, setting, f"pass `greater_is_better={not greater.const}`"
        )


def _plateau(script: ScriptModel, call: Value, scheduler: Value | None) -> Iterator[Monitor]:
    figure = call.args[0] if call.args else call.kwargs.get("metrics")
    if scheduler is None or figure is None or call.node is None:
        return
    for made in scheduler.alternatives():
        if made.op != "torch.optim.lr_scheduler.ReduceLROnPlateau":
            continue
        mode = constant(made, "mode", "min")
        direction = better(figure) or better_by_name(figure.name)
        named = better_by_name(figure.name)
        if (
            direction is None
            or not isinstance(mode, str)
            or mode not in MODES
            or (named or direction) is not direction
        ):
            continue
        if MODES[mode] is not direction:
            wanted = "max" if direction is Better.HIGHER else "min"
            setting = f'`ReduceLROnPlateau(mode="{mode}")`'
            name = script.name_of(figure, "the metric")
            yield Monitor(call.node, name, direction, setting, f'make it with `mode="{wanted}"`')


@dataclass(eq=False)
class Interval:
    """A test that saves on every turn but the intended ones."""

    node: cst.BaseExpression
    interval: cst.BaseExpression


def save_intervals(script: ScriptModel) -> Iterator[Interval]:
    """`if epoch % k: save(…)`, with nothing saved on the other turns, here or under a test of its own."""
    regular = _saved_regularly(script)
    for frame in script.branches:
        test, node = frame.value, frame.node
        if test is None or not isinstance(node, cst.If) or frame.guard or frame.branch is False:
            continue
        expression = node.test
        if (
            test.op == "ne"
            and len(test.args) == 2
            and test.args[1].is_const(0)
            and isinstance(expression, cst.Comparison)
        ):
            test, expression = test.args[0], expression.left
        if test.op != "remainder" or not isinstance(expression, cst.BinaryOperation):
            continue
        if _saves(script, frame) and node.orelse is None and script.text(expression.right) not in regular:
            yield Interval(expression, expression.right)


def _saved_regularly(script: ScriptModel) -> set[str]:
    """Every `k` with an `if step % k == 0: save(…)`; what the last turn leaves is then saved by `!= 0`."""
    return {
        script.text(node.test.left.right)
        for frame in script.branches
        if isinstance(node := frame.node, cst.If)
        and isinstance(node.test, cst.Comparison)
        and isinstance(node.test.left, cst.BinaryOperation)
        and frame.value is not None
        and frame.value.op == "eq"
        and _saves(script, frame)
    }


def _saves(script: ScriptModel, frame: Frame) -> bool:
    return any(event.kind is EventKind.SAVE and event.frame.inside(frame) for event in script.events)
