"""How wide the input of a layer is, and how wide it must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from nnlint.static import torch_api
from nnlint.static.arguments import argument
from nnlint.static.axes import Axis, Factor
from nnlint.static.shapes import POINTWISE, POOLS, origin
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.shapes import Shapes

# Layer -> the constructor's word for the width that it takes.
TAKES = {
    "linear": "in_features", "conv1d": "in_channels", "conv2d": "in_channels", "conv3d": "in_channels",
    "conv_transpose1d": "in_channels", "conv_transpose2d": "in_channels", "conv_transpose3d": "in_channels",
    "batch_norm": "num_features", "group_norm": "num_channels", "layer_norm": "normalized_shape",
    "lstm": "input_size", "gru": "input_size", "rnn": "input_size",
}  # fmt: skip
GIVES = {"linear": "out_features", "embedding": "embedding_dim"} | {
    name: "out_channels" for name in TAKES if name.startswith("conv")
}
ON_LAST = frozenset({"linear", "layer_norm", "lstm", "gru", "rnn", "embedding"})
NORMS = frozenset({"batch_norm", "group_norm", "layer_norm"})
# The number of axes of an input with a batch.
RANKS = {"1d": (3,), "2d": (4,), "3d": (5,)}


@dataclass(frozen=True)
class Meeting:
    """A layer, the width that it takes, and the width that reaches it from `before`; its call, if any."""

    layer: Value
    takes: Axis
    given: Axis
    before: Value | None
    call: Value | None = None


def meetings(script: ScriptModel) -> Iterator[Meeting]:
    """Every place where a layer reads a tensor of known width."""
    applied: set[int] = set()
    for call in script.calls:
        if call.receiver is not None and call.kind is Kind.TENSOR:
            applied.add(id(call.receiver))
            if call.op in TAKES and call.args and call.receiver.op.startswith("torch.nn."):
                found = _met(script.shapes, call)
                if found is not None:
                    yield found
    for sequential in script.calls_of("torch.nn.Sequential"):
        if id(sequential) not in applied and sequential.element is None:
            yield from _neighbours(script.shapes, sequential)


def _met(shapes: Shapes, call: Value) -> Meeting | None:
    layer, data = call.receiver, call.args[0]
    takes = _width(shapes, call, TAKES[call.op])
    if layer is None or takes is None:
        return None
    if call.op in ON_LAST:
        given = shapes.last(data)
    else:
        shape = shapes.of(data)
        ranks = (2, 3) if layer.op == "torch.nn.BatchNorm1d" else RANKS.get(layer.op[-2:])
        given = shape[1] if shape is not None and ranks is not None and len(shape) in ranks else None
    return Meeting(layer, takes, given, producer(data), call) if given is not None else None


def _width(shapes: Shapes, call: Value, name: str) -> Axis | None:
    value = argument(call, name)
    if value is not None and value.kind is Kind.SEQUENCE:
        value = value.args[-1] if value.args and value.element is None else None
    return shapes.amount(value) if value is not None else None


def gives(shapes: Shapes, layer: Value) -> Axis | None:
    """The width of a layer's output."""
    name = GIVES.get(torch_api.module_operation(layer.op))
    return _width(shapes, layer, name) if name is not None else None


def producer(value: Value) -> Value | None:
    """The layer whose output this is, behind what keeps its width."""
    for _ in range(30):
        value = origin(value)
        if value.op in GIVES and value.receiver is not None:
            return value.receiver
        if (value.op not in POINTWISE and value.op[:-2] not in POOLS) or not value.args:
            return None
        value = value.args[0]
    return None


def _neighbours(shapes: Shapes, sequential: Value) -> Iterator[Meeting]:
    """The layers of a `Sequential` that the file builds and does not call."""
    before: Value | None = None
    for layer in sequential.args:
        operation = torch_api.module_operation(layer.op) if layer.kind is Kind.MODULE else ""
        if operation in TAKES and before is not None and layer.op.startswith("torch.nn."):
            made = torch_api.module_operation(before.op)
            given, takes = gives(shapes, before), _width(shapes, layer, TAKES[operation])
            if given is not None and takes is not None and (operation in ON_LAST) is (made in ON_LAST):
                yield Meeting(layer, takes, given, before)
        if operation in GIVES:
            before = layer
        elif operation not in POINTWISE and operation[:-2] not in POOLS and operation not in NORMS:
            before = None


def cannot_be(given: Axis, takes: Axis, varying: set[Factor]) -> bool:
    """Whether two widths surely differ, whatever the symbols in them stand for."""
    left, right = list(given), list(takes)
    for factor in given:
        if factor in varying:
            return False
        if factor in right:
            left.remove(factor)
            right.remove(factor)
    numbers = prod(f for f in left if isinstance(f, int)), prod(f for f in right if isinstance(f, int))
    symbols = [f for f in left if not isinstance(f, int)]
    if any(not isinstance(f, int) for f in right):
        return False
    if not symbols:
        return numbers[0] != numbers[1]
    # An unknown number of positions, each of so many channels, makes a multiple of the channels.
    whole = all(f[0] in {"axis", "size"} for f in symbols if isinstance(f, tuple))
    return whole and numbers[1] % numbers[0] != 0
