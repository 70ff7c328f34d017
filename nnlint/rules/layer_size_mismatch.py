"""See rules/layer-size-mismatch.md."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static import torch_api
from nnlint.static.axes import Axis
from nnlint.static.updates import excludes
from nnlint.static.values import Kind
from nnlint.static.widths import TAKES, Meeting, cannot_be, meetings

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.model import ScriptModel
    from nnlint.static.shapes import Shapes


class LayerSizeMismatch(Rule):
    words = ("Linear", "Conv", "Norm", "LSTM", "GRU", "RNN")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if _replaces_weights(script):
            return
        fits: dict[int, bool] = {}
        found: dict[int, tuple[cst.CSTNode, Meeting]] = {}
        for meeting in meetings(script):
            node = meeting.layer.node
            if node is None:
                continue
            wrong = not _unsure(meeting) and cannot_be(meeting.given, meeting.takes, script.shapes.varying)
            fits[id(node)] = fits.get(id(node), False) or not wrong
            if wrong:
                found.setdefault(id(node), (node, meeting))
        for node, meeting in found.values():
            if not fits[id(node)]:  # it fits elsewhere: the reader, not the author, may have erred
                yield self._problem(script, node, meeting)

    def _problem(self, script: ScriptModel, node: cst.CSTNode, meeting: Meeting) -> Problem:
        operation = torch_api.module_operation(meeting.layer.op)
        takes, given = _number(script.shapes, meeting.takes), _number(script.shapes, meeting.given)
        what = "channels" if operation.startswith(("conv", "batch", "group")) else "features"
        before = meeting.before
        source = f"`{script.text(before.node, 40)}` before it" if before is not None else "its input"
        related = ((before.node, f"gives {given}"),) if before is not None and before.node is not None else ()
        return self.problem(
            node,
            f"`{script.text(node, 40)}` takes {takes} {what}, but {source} has {given}: the first forward "
            f"raises; make `{TAKES[operation]}` fit",
            related=related,
        )


def _unsure(meeting: Meeting) -> bool:
    """Whether the two are built on branches that exclude each other, or what comes in was joined together in
    a loop that is over (how often is not followed) or raised to a tensor of exponents, which may widen it."""
    first, second = meeting.before, meeting.layer
    if first is not None and first.frame is not None and second.frame is not None:
        return excludes(first.frame, second.frame)
    call = meeting.call
    if call is None or call.frame is None:
        return False
    around = call.frame.loops()
    for part in call.args[0].graph(lambda part: part.op in TAKES and "norm" not in part.op):
        if part.op == "pow" and len(part.args) > 1 and part.args[1].kind is Kind.TENSOR:
            return True
        made = (
            part.receiver.frame if part.receiver is not None and part.receiver.kind is Kind.MODULE else None
        )
        if made is not None and any(x not in around for x in made.loops()):
            return True  # one of the layers that a loop has built: how many is not followed
        if part.op == "cat" and part.frame is not None and any(x not in around for x in part.frame.loops()):
            return True
    return False


def _replaces_weights(script: ScriptModel) -> bool:
    """Whether some layer, which one is not seen, is given another weight: `getattr(net, name).weight = w`."""
    return any(
        fact.kind == "attribute"
        and fact.name == "weight"
        and (fact.owner is None or fact.owner.kind is not Kind.MODULE or fact.owner.op == "getattr")
        for fact in script.facts
    )


def _number(shapes: Shapes, axis: Axis) -> str:
    if all(isinstance(factor, int) for factor in axis):
        return str(prod(factor for factor in axis if isinstance(factor, int)))
    text = shapes.describe(axis)
    return text.replace("…", "n")
