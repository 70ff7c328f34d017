"""See rules/bare-squeeze.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Change, Draft, Insertion, Problem, Replacement, Rule
from nnlint.static.arguments import constant, surely_absent
from nnlint.static.splits import LOADER
from nnlint.static.torch_api import RELABEL
from nnlint.static.values import EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class BareSqueeze(Rule):
    words = ("squeeze()", ".squeeze(")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls_of("squeeze"):
            if len(call.args) != 1 or not surely_absent(call, "dim") or not isinstance(call.node, cst.Call):
                continue
            shape = script.shapes.of(call.args[0])
            if not script.shapes.batch_leads(call.args[0]) or (shape is not None and () not in shape):
                continue
            if not _feeds_loss(script, call) or _whole_batches(script, call) or _on_both_sides(script, call):
                continue
            if any(_several_batches(part) for part in call.args[0].graph()):
                continue
            yield self.problem(
                call.node,
                f"`{script.text(call.node)}` also drops the batch axis when a batch holds one sample, as "
                "the last one may, and the loss then broadcasts or fails; name the axis to drop, as in "
                "squeeze(-1)",
                fix=_named(script, call),
            )


def _feeds_loss(script: ScriptModel, call: Value) -> bool:
    """Whether something that is back-propagated, or a torch loss, is computed from it."""
    ends = [event.target for event in script.events_of(EventKind.BACKWARD) if event.target is not None]
    ends.extend(arg for event in script.losses for arg in event.call.args[:2])
    return any(end.derives_from([call]) for end in ends)


def _whole_batches(script: ScriptModel, call: Value) -> bool:
    """Whether the loader, or a loader of the file where none is seen, drops a last batch that is smaller."""
    behind = [part for part in call.args[0].graph() if part.op == LOADER]
    return any(constant(part, "drop_last", False) is True for part in behind or script.calls_of(LOADER))


def _several_batches(value: Value) -> bool:
    """Whether batches are put one behind the other, so that there is more than one sample."""
    if value.op != "cat" or constant(value, "dim", 0) != 0 or not value.args:
        return False
    joined = value.args[0].args if value.args[0].kind is Kind.SEQUENCE else []
    return len(joined) > 1


def _on_both_sides(script: ScriptModel, call: Value) -> bool:
    """Whether prediction and target of its loss are squeezed alike: both are then one number."""
    for event in script.losses:
        sides = [list(arg.sources(RELABEL)) for arg in event.call.args[:2]]
        if len(sides) == 2 and any(call in side for side in sides):
            return all(part.op == "squeeze" and len(part.args) == 1 for side in sides for part in side)
    return False


def _named(script: ScriptModel, call: Value) -> Draft | None:
    """The one axis that is known to be of size 1."""
    node = call.node
    assert isinstance(node, cst.Call)
    shape = script.shapes.of(call.args[0])
    if shape is not None:
        ones = [i - len(shape) for i, axis in enumerate(shape) if axis == ()]
        if len(ones) != 1:
            return None
        dim = ones[0]
    elif script.shapes.last(call.args[0]) == ():
        dim = -1
    else:
        return None
    change: Change = Replacement(node, f"{script.code(node.func)}({dim})")
    if node.args:  # torch.squeeze(x)
        change = Insertion(node.args[-1], f", {dim}", after=True)
    return Draft(f"drop axis {dim} only", (change,))
