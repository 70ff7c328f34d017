"""See rules/inert-dropout.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument, surely_absent
from nnlint.static.scores import surely
from nnlint.static.torch_api import RECURRENT, RELABEL

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

# Between flat features and the dropout.
THROUGH = RELABEL | {
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "batch_norm",
    "layer_norm",
}
NUMBERS = (cst.Integer, cst.Float)


class InertDropout(Rule):
    words = ("dropout", "Dropout")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for layer in script.calls_of(*RECURRENT):
            rate = argument(layer, "dropout")
            if rate is None or layer.node is None or not _above_zero(rate) or not _one_layer(layer):
                continue
            name = layer.op.rpartition(".")[2]
            yield self.problem(
                layer.node,
                f"dropout={rate.const} does nothing in this `nn.{name}`: it "
                f"acts between stacked layers, and there is one; apply `nn.Dropout` to the output",
            )
        for call in script.calls_of("dropout2d", "dropout3d"):
            if not call.args or call.node is None:
                continue
            rank = script.shapes.rank(call.args[0])
            flat = rank == 2 or bool(surely(call.args[0], _is_flat, THROUGH))
            if flat or (rank is None and surely(call.args[0], lambda value: value.op == "linear", THROUGH)):
                name = script.name_of(call.args[0], "the input")
                what = "has flat features" if flat else "comes out of a linear layer, whose features lie last"
                yield self.problem(
                    call.node,
                    f"`{name}` {what}: each channel is one element, and dropping whole channels "
                    f"is what `nn.Dropout` does; use that",
                )


def _above_zero(rate: Value) -> bool:
    return type(rate.const) in (int, float) and rate.const > 0


def _one_layer(layer: Value) -> bool:
    """Whether the call itself says so, or says nothing: a configured depth may be larger."""
    depth = argument(layer, "num_layers")
    if depth is None:
        return surely_absent(layer, "num_layers")
    return depth.is_const(1) and _written_out(layer.node)


def _written_out(node: cst.CSTNode | None) -> bool:
    if not isinstance(node, cst.Call):
        return False
    named = [arg for arg in node.args if arg.keyword is not None and arg.keyword.value == "num_layers"]
    third = node.args[2:3] if not any(arg.keyword for arg in node.args[:3]) else []
    return any(isinstance(arg.value, NUMBERS) for arg in named or third)


def _is_flat(value: Value) -> bool:
    """Two axes: after a flatten, or a linear layer behind one."""
    if value.op == "flatten":
        start = argument(value, "start_dim")
        return (start is None and value.receiver is not None) or (start is not None and start.is_const(1))
    return (
        value.op == "linear"
        and bool(value.args)
        and bool(surely(value.args[0], _is_flat, THROUGH | {"dropout"}))
    )
