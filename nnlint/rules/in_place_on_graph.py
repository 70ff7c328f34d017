"""See rules/in-place-on-graph.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.layers import forward_of
from nnlint.static.scores import is_network_call
from nnlint.static.torch_api import CUTS_GRADIENT, REARRANGE
from nnlint.static.updates import excludes
from nnlint.static.values import EventKind, Frame, Kind, Value
from nnlint.static.writes import Write, writes

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Operations whose backward pass reads their own result again.
KEEP_RESULT = frozenset({
    "sigmoid", "tanh", "softmax", "log_softmax", "softmin", "gumbel_softmax", "exp", "exp2", "expm1", "sqrt",
    "rsqrt", "reciprocal", "relu", "tan", "logsumexp", "norm", "std", "prod", "cumprod", "cdist", "amax",
    "amin",
})  # fmt: skip
# Layers whose backward pass reads their input again, for the gradient of their weights.
KEEP_INPUT = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "batch_norm", "layer_norm", "group_norm",
)  # fmt: skip
# Their other arguments are positions.
PICKS = frozenset({"gather", "index_select", "take_along_dim", "embedding"})
FAILS = "`backward()` then fails with “modified by an inplace operation”"
# A score this low gets no weight from softmax, and so no gradient, whoever knows of the write.
MASKED = 1e3


class InPlaceOnGraph(Rule):
    words = ("_(", "+=", "-=", "*=", "/=", "] =", ".data")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        found = [write for write in writes(script) if not _evaluating(write.frame)]
        if not found:
            return
        trained = _behind(_trained(script))
        in_forward = trained | _behind(_results(script))
        seen: set[int] = set()
        for write in found:
            tensors = write.tensors()
            if id(write.node) in seen or not tensors:
                continue
            problem = None
            # What a forward gives may be trained elsewhere; what this file makes of it is seen.
            reaching = trained if forward_of(write.frame) is None else in_forward
            if all(id(part) in reaching and _recorded(part) for part in tensors):
                problem = self._kept_result(script, write, tensors)
            if problem is None and not write.hidden and len(tensors) == 1:
                problem = self._kept_input(script, write, tensors[0], trained)
            if problem is not None:
                seen.add(id(write.node))
                yield problem

    def _kept_result(self, script: ScriptModel, write: Write, tensors: list[Value]) -> Problem | None:
        name = _written(script, write)
        made = tensors[0].node
        if write.hidden:
            if _masks(write):
                return None
            return self.problem(
                write.node,
                f"`.data` hides this write to `{name}` from autograd: its gradient is computed as if nothing "
                f"had been written; make a new tensor, as `torch.where` or `masked_fill` does",
                related=((made, "part of the graph"),),
                severity=Severity.INFO,
            )
        if made is None or any(part.op not in KEEP_RESULT for part in tensors):
            return None
        return self.problem(
            write.node,
            f"this writes into `{name}`, the result of {tensors[0].op}, which the backward pass of "
            f"{tensors[0].op} reads again: {FAILS}; {_instead(script, write, name)}",
            related=((made, f"the result of {tensors[0].op}"),),
        )

    def _kept_input(
        self, script: ScriptModel, write: Write, tensor: Value, trained: set[int]
    ) -> Problem | None:
        for call in script.calls_of(*KEEP_INPUT):
            if call.time > write.time or call.input is None or call.node is None or call.frame is None:
                continue
            if call.grad is not True or call.receiver is None or id(call) not in trained:
                continue
            kept = list(call.input.sources(lambda value: value.op in REARRANGE - {"reshape", "flatten"}))
            if kept != [tensor] or excludes(call.frame, write.frame):
                continue
            name = _written(script, write)
            layer = f"`{script.text(call.node)}`"
            if call.node is call.receiver.node:
                layer = f"a {call.op} layer"
            return self.problem(
                write.node,
                f"this writes into `{name}`, which {layer} keeps for the gradient of its "
                f"weights: {FAILS}; {_instead(script, write, name)}",
                related=((call.node, "keeps its input"),),
            )
        return None


def _written(script: ScriptModel, write: Write) -> str:
    """The tensor in the user's words."""
    node: cst.CSTNode = write.node
    if isinstance(node, cst.Assign):
        node = node.targets[0].target
    elif isinstance(node, cst.AugAssign):
        node = node.target
    elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        node = node.func.value
    while isinstance(node, cst.Subscript):
        node = node.value
    return script.text(node, 40).removesuffix(".data")


def _instead(script: ScriptModel, write: Write, name: str) -> str:
    if isinstance(write.node, cst.AugAssign) and isinstance(write.node.target, cst.Name):
        operator = script.text(write.node.operator).rstrip("=")
        return f"make a new tensor: `{name} = {name} {operator} {script.text(write.node.value, 40)}`"
    return f"make a new tensor, or write into `{name}.clone()`"


def _masks(write: Write) -> bool:
    """Whether what is written is -inf or as good as that."""
    given = [part for value in (write.value, *write.operands) if value is not None for part in value.graph()]
    return any(
        part.op == "torch.finfo"
        or (isinstance(part.const, str) and part.const.strip("-+").lower().startswith("inf"))
        or (isinstance(part.const, (int, float)) and abs(part.const) >= MASKED)
        for part in given
    )


def _recorded(value: Value) -> bool:
    """Whether autograd surely has a history for it, which leads to weights."""
    if value.grad is not True or value.kind is not Kind.TENSOR or not value.args or _cut(value):
        return False
    return any(is_network_call(part) or part.kind is Kind.PARAMETER for part in value.graph(_cut))


def _cut(value: Value) -> bool:
    return value.op in CUTS_GRADIENT or value.grad is False


def _trained(script: ScriptModel) -> list[Value]:
    """What the file surely calls `backward` on."""
    found = [event.target for event in script.events_of(EventKind.BACKWARD) if event.target is not None]
    return found + [
        fact.value
        for fact in script.facts
        if fact.kind == "return" and any(f.name == "training_step" for f in fact.frame.functions()[:1])
    ]


def _results(script: ScriptModel) -> list[Value]:
    """What the outermost `forward` gives, which may be trained elsewhere."""
    return [fact.value for fact in script.facts if fact.kind == "return" and _outermost(fact.frame)]


def _outermost(frame: Frame) -> bool:
    forward = forward_of(frame)
    functions = list(frame.functions())
    return (
        forward is not None
        and functions[0] is forward
        and not any(function.name == "forward" for function in functions[1:])
    )


def _behind(ends: list[Value]) -> set[int]:
    """What they are computed from, as far as a gradient flows."""
    found: set[int] = set()
    stack = list(ends)
    while stack:
        value = stack.pop()
        if id(value) not in found:
            found.add(id(value))
            if not _cut(value):
                stack.extend(value.args[:1] if value.op in PICKS else value.made_from())
    return found


def _evaluating(frame: Frame) -> bool:
    """Whether a test on the mode stands around: nothing in there may ever be trained."""
    return any(
        part.op in {"training", "is_grad_enabled", "torch.is_grad_enabled"} or part.const == "training"
        for test in frame.tests()
        if test.value is not None
        for part in test.value.graph()
    )
