"""What stands behind a prediction or a target: logits, probabilities, log-probabilities, labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static.arguments import argument
from nnlint.static.torch_api import FACTORIES, LOOK_THROUGH, LOSSES, STATELESS
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.model import ScriptModel

# The same numbers, or some of them, in another place.
SAME_SCALE = LOOK_THROUGH | {
    "getitem", "index_select", "masked_select", "narrow", "part", "item_of", "gather", "interpolate",
    "upsample", "select",
}  # fmt: skip
JOINED = frozenset({
    "cat", "stack", "numpy.concatenate", "numpy.vstack", "numpy.hstack", "numpy.stack", "numpy.array",
    "numpy.asarray", "tensor", "as_tensor",
})  # fmt: skip
# Layers whose output can be any number: scores before an activation.
RAW = frozenset({
    "linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d",
})  # fmt: skip
PROBABILITIES = frozenset({"softmax", "sigmoid", "softmin", "gumbel_softmax", "hardsigmoid"})
_LABEL = re.compile(r"^(?:y|targets?|labels?|y_true|gt|ground_truth)$")
ARITHMETIC = frozenset({
    "add", "sub", "mul", "div", "clamp", "neg", "where", "masked_fill", "pow", "square", "abs", "sqrt", "exp",
    "log", "sin", "cos", "tanh", "sign", "round", "floor", "uniform_", "normal_",
})  # fmt: skip


def surely(
    value: Value | None, test: Callable[[Value], bool], through: frozenset[str] = SAME_SCALE
) -> list[Value]:
    """The operations that made `value`, where all of them satisfy `test`; empty where one may not.

    A branch inside the computation must satisfy it both ways; outputs of different models are
    judged one by one.
    """
    return (_behind(value, test, through, set()) or []) if value is not None else []


def _behind(
    value: Value, test: Callable[[Value], bool], through: frozenset[str], seen: set[int]
) -> list[Value] | None:
    """Like `surely`; None where an alternative fails."""
    if id(value) in seen or value.is_const(None):
        return []
    seen.add(id(value))
    parts: list[Value] = []
    if value.alts:
        parts = value.alternatives()
        if _different_models(parts):
            return [item for part in parts for item in _behind(part, test, through, seen) or []] or None
    elif value.result is not None:
        parts = [value.result]
    elif value.op in JOINED and value.args and value.args[0].kind is Kind.SEQUENCE:
        parts = [*value.args[0].args, *([value.args[0].element] if value.args[0].element is not None else [])]
    elif value.op in through and value.args:
        parts = value.args[:1]
    else:
        return [value] if test(value) else None
    found: list[Value] = []
    for part in parts:
        behind = _behind(part, test, through, seen)
        if behind is None:
            return None
        found += behind
    return found


def _different_models(parts: list[Value]) -> bool:
    outputs = [part for part in parts if not part.is_const(None)]
    receivers = {id(part.receiver) for part in outputs}
    return len(receivers) == len(outputs) > 1 and all(part.op == "module_call" for part in outputs)


def is_raw(value: Value) -> bool:
    return value.op in RAW or hand_written(value) is not None


def is_weight(value: Value) -> bool:
    """Whether it is a leaf that is to be learned: `nn.Parameter(…)`, `torch.zeros(d, requires_grad=True)`."""
    wanted = value.kwargs.get("requires_grad")
    return value.kind is Kind.PARAMETER or (
        value.op in FACTORIES and wanted is not None and wanted.is_const(True)
    )


def hand_written(value: Value) -> Value | None:
    """The weight of a linear layer that is written out: `x @ weight + bias`."""
    if value.op == "add" and len(value.args) == 2:
        product, bias = value.args if is_weight(value.args[1]) else value.args[::-1]
        value = product if is_weight(bias) else value
    if value.op != "matmul" or len(value.args) != 2:
        return None
    return next((arg for arg in value.args if is_weight(arg)), None)


def is_data(value: Value | None) -> bool:
    """Whether it surely comes from the data or a constant tensor, not from a network."""
    return _is_data(value, set())


def _is_data(value: Value | None, asked: set[int]) -> bool:
    return bool(surely(value, lambda part: _is_datum(part, asked)))


def _is_datum(value: Value, asked: set[int]) -> bool:
    # A sum carried round a loop is made of itself: what else goes into it decides.
    if id(value) in asked:
        return True
    asked.add(id(value))
    if value.op == "one_hot":
        return _is_data(value.input, asked)
    if value.op in ARITHMETIC:
        operands = [arg for arg in value.args if arg.kind not in (Kind.CONST, Kind.NUMBER)]
        return bool(operands) and all(_is_data(arg, asked) for arg in operands)
    if value.op in FACTORIES:
        return "requires_grad" not in value.kwargs and not _network_inside(value)
    return value.op in {"batch", "batch_item"}


def is_label(value: Value) -> bool:
    """Whether it is a parameter that no call in the file explains, and is called like a target."""
    return value.op == "param" and _LABEL.match(value.name) is not None


def is_output(value: Value | None) -> bool:
    """Whether every way to it leads through a network."""
    return bool(surely(value, network_inside))


def network_inside(value: Value) -> bool:
    """Whether a network takes part in its making."""
    return _network_inside(value)


def _network_inside(value: Value) -> bool:
    return any(_learned(item) for item in value.graph(stop=_data_or_network))


def _learned(value: Value) -> bool:
    return is_network_call(value) or hand_written(value) is not None


def _data_or_network(value: Value) -> bool:
    return value.op in {"batch_item", "batch"} or _learned(value)


def is_network_call(value: Value) -> bool:
    """The output of a module that has weights, or that the file does not show."""
    module = value.receiver
    if module is None or module.kind is not Kind.MODULE or value.op in LOSSES:
        return False
    return not STATELESS.match(module.op)


@dataclass(frozen=True)
class Loss:
    """A loss that is evaluated: where, and of what."""

    node: cst.CSTNode
    call: Value
    prediction: Value
    target: Value | None

    def place(self, value: Value) -> cst.CSTNode:
        """Where `value` is made; the loss itself where that is nowhere in the file."""
        return value.node or self.node


def losses_of(script: ScriptModel, *ops: str) -> Iterator[Loss]:
    """Each evaluated loss of these kinds.

    A criterion that is one of several alternatives is left out: the prediction may differ with it.
    """
    chosen: dict[tuple[int, int], set[str]] = {}
    for event in script.losses:
        chosen.setdefault((id(event.call.node), id(event.frame)), set()).add(event.call.op)
    for event in script.losses:
        call = event.call
        if call.op not in ops or call.node is None or len(chosen[id(call.node), id(event.frame)]) > 1:
            continue
        prediction = argument(call, "input")
        if prediction is not None:
            yield Loss(call.node, call, prediction, argument(call, "target"))
