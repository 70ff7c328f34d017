"""Writes into a tensor that is already there: `x[…] = y`, `x += y`, `x.mul_(y)`, also through `.data`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.torch_api import REARRANGE
from nnlint.static.values import Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# The same memory under another name.
VIEWS = (REARRANGE - {"reshape", "reshape_as", "flatten"}) | {
    "getitem",
    "part",
    "detach",
    "data",
    "narrow",
    "select",
}
# Methods that end in an underscore and write no numbers.
NO_WRITE = frozenset(
    {"requires_grad_", "detach_", "share_memory_", "squeeze_", "unsqueeze_", "t_", "transpose_"}
)


@dataclass(eq=False)
class Write:
    """One write in place; `hidden` where it goes through `.data`, which autograd does not see."""

    node: cst.CSTNode
    target: Value
    hidden: bool
    frame: Frame
    time: int
    value: Value | None = None  # what is stored, where the statement says
    operands: tuple[Value, ...] = ()  # a method's other arguments

    def tensors(self) -> list[Value]:
        """The tensors whose memory is written: what the target is a view of."""
        return list(self.target.sources(lambda value: value.op in VIEWS))


def writes(script: ScriptModel) -> Iterator[Write]:
    """Every write in place into something that may be a tensor."""
    for fact in script.facts:
        if fact.kind == "subscript":
            target = fact.owner
        elif fact.kind == "augmented" and isinstance(fact.node, cst.AugAssign):
            target = fact.target
        else:
            continue
        if target is not None and target.kind is Kind.TENSOR:
            yield Write(fact.node, target, _hidden(target), fact.frame, fact.time, fact.value)
    for call in script.calls:
        node = call.node
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or call.frame is None:
            continue
        method = node.func.attr.value
        if method.endswith("_") and not method.startswith("_") and method not in NO_WRITE and call.args:
            target = call.args[0]
            # Of a line that is read more than once, the last value is kept.
            written = script.value_of(node.func.value)
            if target.kind is Kind.TENSOR and written is not None and written.kind is Kind.TENSOR:
                given = (*call.args[1:], *call.kwargs.values())
                yield Write(node, target, _hidden(target), call.frame, call.time, operands=given)


def _hidden(target: Value) -> bool:
    """Whether every way from the written name to the memory leads through `.data`."""
    parts = target.alternatives()
    for _ in range(6):
        parts = [part.args[0] if part.op in VIEWS - {"data"} and part.args else part for part in parts]
    return all(part.op == "data" for part in parts)
