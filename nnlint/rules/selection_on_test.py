"""See rules/selection-on-test.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.lineage import Lineage
from nnlint.static.selections import WEIGHTS, Selection, selections, selects_weights
from nnlint.static.splits import LOADER
from nnlint.static.testsets import test_data, validation_name
from nnlint.static.values import EventKind, Frame, Kind, Value
from nnlint.static.walk import descend, same_code

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class SelectionOnTest(Rule):
    words = ("test", "Test", "train=False")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if "attack" in script.source.text.lower():
            return  # an attack looks for the worst figure on the data that it attacks
        lineage, seen = Lineage(script), set[int]()
        for found in selections(script):
            if id(found.node) in seen or not _while_training(found.frame):
                continue
            done = "chooses the weights that are kept" if _keeps(script, found) else ""
            done = done or ("decides when training stops" if _stops(found) else "")
            data = test_data(lineage, found.new) if done else None
            if (
                data is not None
                and validation_name(found.name)
                and data.kind not in (Kind.LOADER, Kind.DATASET)
            ):
                continue  # an array of a helper that judges either part
            if data is not None:
                seen.add(id(found.node))
                yield self._found(script, found.node, found.name, data, done)
        for event in script.events_of(EventKind.SCHEDULER_STEP):
            figure = event.call.args[0] if event.call.args else event.call.kwargs.get("metrics")
            data = test_data(lineage, figure) if figure is not None and _while_training(event.frame) else None
            if data is not None and figure is not None and event.call.node is not None:
                done, name = "decides when the learning rate falls", script.name_of(figure, "the figure")
                yield self._found(script, event.call.node, name, data, done)
        yield from self._lightning(script, lineage)

    def _lightning(self, script: ScriptModel, lineage: Lineage) -> Iterator[Problem]:
        """`trainer.fit(model, train_loader, test_loader)` beside a callback that watches the validation."""
        watches = any(
            call.op.startswith("lightning.") and call.op.endswith(WATCHERS) and "monitor" in call.kwargs
            for call in script.calls
        )
        for call in script.calls_of(".fit") if watches else ():
            if call.receiver is None or call.receiver.op != "lightning.Trainer" or call.node is None:
                continue
            loader = call.kwargs.get("val_dataloaders") or (call.args[2] if len(call.args) > 2 else None)
            data = test_data(lineage, loader) if loader is not None else None
            if data is not None:
                name = "what the callback monitors"
                yield self._found(script, call.node, name, data, "chooses the weights that are kept")

    def _found(self, script: ScriptModel, node: cst.CSTNode, name: str, data: Value, done: str) -> Problem:
        loaders = (loader.name for loader in script.calls_of(LOADER))
        held_out = next((other for other in loaders if validation_name(other)), None)
        advice = f"use `{held_out}` for that" if held_out else "hold out a validation set for that"
        shown = name if name.startswith("what ") else f"`{name}`"
        return self.problem(
            node,
            f"{shown} is computed on the test data (`{script.name_of(data, 'the test set')}`) and {done}, so "
            f"the test figure is the best of many tries and no longer an estimate for new data; {advice}",
        )


WATCHERS = ("ModelCheckpoint", "EarlyStopping")


def _while_training(frame: Frame) -> bool:
    """Whether a loop around this place trains, or hands an optimizer to something that does."""
    return any(
        event.kind is EventKind.STEP
        or (
            event.kind is EventKind.OPAQUE
            and event.target is not None
            and event.target.kind is Kind.OPTIMIZER
        )
        for loop in frame.loops()
        for event in loop.events
    )


def _keeps(script: ScriptModel, found: Selection) -> bool:
    """Whether the winner's weights are kept: in the branch itself, or where the flag is looked at."""
    if isinstance(found.node, cst.Call):
        return False  # best = max(best, new): the figure alone
    if isinstance(found.frame.node, (cst.If, cst.IfExp)) and found.frame.value is not None:
        inside = [found.frame]
        inside += [frame for frame in script.branches if _same_test(frame, found.frame)]
        if selects_weights(script, found):
            return True
    else:
        flag = script.value_of(found.node)
        if flag is None:
            return False
        if any(_named_save(call) and _given(call, flag) for call in script.calls):
            return True
        inside = [frame for frame in script.branches if frame.value is flag]
    return any(
        (event.kind in WEIGHTS and any(event.frame.inside(frame) for frame in inside))
        for event in script.events
    ) or any(
        _named_save(call) and call.frame is not None and any(call.frame.inside(frame) for frame in inside)
        for call in script.calls
    )


def _same_test(frame: Frame, other: Frame) -> bool:
    """Whether a second `if` next to the first asks the same."""
    if frame.parent is not other.parent or not isinstance(frame.node, cst.If):
        return False
    return isinstance(other.node, cst.If) and same_code(frame.node.test, other.node.test)


def _named_save(call: Value) -> bool:
    name = call.receiver.name if call.op == "call" and call.receiver is not None else call.op
    return name.rpartition(".")[2].lower().startswith(("save", "_save", "checkpoint"))


def _given(call: Value, flag: Value) -> bool:
    return any(
        value is flag for arg in (*call.args, *call.kwargs.values()) for value in (arg, *arg.alternatives())
    )


def _stops(found: Selection) -> bool:
    """Whether turns without a new best are counted, or end the loop."""
    node = found.frame.node
    if not isinstance(node, cst.If) or node.orelse is None:
        return False
    return any(isinstance(part, (cst.AugAssign, cst.Break)) for part in descend(node.orelse))
