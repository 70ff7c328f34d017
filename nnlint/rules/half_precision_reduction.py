"""See rules/half-precision-reduction.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.state import roots
from nnlint.static.torch_api import LOSSES, REARRANGE
from nnlint.static.values import Value
from nnlint.static.zeros import in_training_graph

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

REDUCTIONS = frozenset({
    "sum", "mean", "norm", "cumsum", "std", "var", "prod", "logsumexp", "softmax", "log_softmax",
}) | LOSSES  # fmt: skip
# The same type comes out as goes in.
SAME_TYPE = REARRANGE | {
    "relu", "gelu", "silu", "tanh", "sigmoid", "abs", "square", "exp", "sqrt", "neg", "clamp", "dropout",
    "getitem", "part", "contiguous", "clone", "cuda", "cpu", "detach", "masked_fill", "requires_grad_",
    "variable",
}  # fmt: skip
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "pow", "matmul"})
HALF = frozenset({"torch.float16", "torch.half"})
WIDER = frozenset({"float", "double", "bfloat16"})
_STEPS = 40


class HalfPrecisionReduction(Rule):
    words = ("half", "float16")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls_of(*REDUCTIONS):
            operand = call.args[0] if call.args else None
            if operand is None or call.node is None or "dtype" in call.kwargs or _autocast(call):
                continue
            if in_training_graph(call) and _is_half(script, operand, 0):
                name = script.name_of(operand, "its input")
                yield self.problem(
                    call.node,
                    f"`{name}` is float16, so this is computed and rounded in float16: sums beyond 65504 are "
                    f"inf, and small terms are lost; compute it on `{name}.float()`, or train under "
                    f"`torch.autocast`, which does so by itself",
                )


def _autocast(call: Value) -> bool:
    """Whether autocast is on here: it runs reductions and losses in float32."""
    return call.frame is not None and any(
        frame.kind == "with" and frame.value is not None and "autocast" in frame.value.op
        for frame in call.frame.chain()
    )


def _is_half(script: ScriptModel, value: Value, depth: int) -> bool:
    """Whether the file shows that a tensor is float16."""
    if depth > _STEPS:
        return False
    if value.alts:
        parts = [part for part in value.alternatives() if not part.is_const(None)]
        return value.op != "phi" and all(_is_half(script, part, depth + 1) for part in parts)
    if value.op == "half":
        return True
    if value.op in WIDER:
        return False
    if value.op in {"to", "type"}:
        given = {part.op for part in (*value.args[1:], *value.kwargs.values())}
        if given & HALF:
            return True
        return "torch.device" in given and _is_half(script, value.args[0], depth + 1)
    if value.op == "module_call" and value.receiver is not None:
        if value.result is not None and value.result.op in WIDER | {"to", "type"}:
            return _is_half(script, value.result, depth + 1)
        return _halved(script, value)
    if value.op in SAME_TYPE and value.args:
        return _is_half(script, value.args[0], depth + 1)
    if value.op in ARITHMETIC and len(value.args) == 2:
        tensors = [part for part in value.args if part.kind is value.kind]
        return bool(tensors) and all(_is_half(script, part, depth + 1) for part in tensors)
    return False


def _halved(script: ScriptModel, output: Value) -> bool:
    """Whether the module that made it was turned into float16, and not back."""
    ids = {id(root) for root in roots(output.receiver)} if output.receiver is not None else set()
    last = ""
    for call in script.calls_of(
        "module.half", "module.float", "module.to", "module.double", "module.bfloat16"
    ):
        if call.receiver is None or call.time > output.time or id(call.receiver) not in ids:
            continue
        if call.op != "module.to":
            last = call.op
        elif any(part.op in HALF for part in (*call.args, *call.kwargs.values())):
            last = "module.half"
        elif any(part.op.startswith("torch.") and "device" not in part.op for part in call.args):
            last = "module.float"
    return last == "module.half"
