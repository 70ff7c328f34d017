"""Where the outputs of layers go: what takes each value, and which layer with weights comes next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

DROPOUTS = frozenset({
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
})  # fmt: skip
CONVOLUTIONS = frozenset({
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
})  # fmt: skip
WEIGHTED = CONVOLUTIONS | {"linear"}
# Operations that leave a linear map linear.
PASSIVE = (LOOK_THROUGH - {"expand", "expand_as", "long"}) | DROPOUTS | {"identity"}
# The activations that cut at or near zero, and those that saturate on both sides.
RECTIFIERS = frozenset({"relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "celu", "mish"})
SATURATING = frozenset({"tanh", "sigmoid", "softsign", "hardtanh", "hardsigmoid"})
NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
POOLS = frozenset({
    "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
})  # fmt: skip
# Operations that keep units apart: what goes in at one unit comes out at one unit.
UNIT_WISE = PASSIVE | RECTIFIERS | SATURATING | NORMS | POOLS | {"selu", "softplus", "hardswish"}


class Flow:
    """Who takes which value."""

    def __init__(self, script: ScriptModel) -> None:
        self._takers: dict[int, list[Value | None]] = {}
        for call in script.calls:
            if call.op == "module_call" and call.result is not None:
                continue  # it was followed: the calls inside are listed too
            for value in (*call.args, *call.kwargs.values()):
                self._note(value, call)
        for fact in script.facts:
            if fact.kind in {"attribute", "subscript"} or (
                fact.kind == "return" and len(fact.frame.functions()) < 2
            ):
                self._note(fact.value, None)

    def takers(self, value: Value) -> list[Value | None]:
        """The calls that take the value; None stands for where it leaves the file or is kept."""
        return self._takers.get(id(value), [])

    def only_taker(self, value: Value) -> Value | None:
        """The one call that takes it, if nothing else does."""
        found = self.takers(value)
        return found[0] if len(found) == 1 else None

    def next_layers(self, value: Value) -> list[Value] | None:
        """The calls of linear layers and convolutions that the value reaches unit by unit; None where it goes
        anywhere else too."""
        found: list[Value] = []
        for taker in self.takers(value):
            if taker is None:
                return None
            if taker.op in WEIGHTED:
                found.append(taker)
                continue
            below = self.next_layers(taker) if taker.op in UNIT_WISE and taker.input is not None else None
            if below is None:
                return None
            found += below
        return found

    def _note(self, value: Value, taker: Value | None) -> None:
        for part in _parts(value):
            takers = self._takers.setdefault(id(part), [])
            if not any(taker is other for other in takers):
                takers.append(taker)


def _parts(value: Value) -> Iterator[Value]:
    """The value, what it stands for, and the items of a sequence or mapping."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        stack.extend(part.alts)
        if part.result is not None:
            stack.append(part.result)
        if part.kind is Kind.SEQUENCE:
            stack.extend(part.args)
        elif part.kind is Kind.MAPPING:
            stack.extend(part.attrs.values())


def following(layer: Value) -> list[Value]:
    """The layers after this one in the `nn.Sequential` that it stands in, as far as it is written out in one
    place: what loops and branches append may stand anywhere."""
    container = layer.owner
    if container is None or container.op != "torch.nn.Sequential":
        return []
    found: list[Value] = []
    for item in reversed(container.args):
        if item is layer:
            break
        found = [item, *found] if item.frame is layer.frame else []
    return found
