"""See rules/first-conv-too-narrow.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument, constant
from nnlint.static.layers import forward_of
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import EventKind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# The channels of grey, colour and transparent images.
IMAGE_CHANNELS = (1, 3, 4)


class FirstConvTooNarrow(Rule):
    words = ("Conv2d", "Conv3d")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        frozen = {
            id(part)
            for event in script.events_of(EventKind.FREEZE)
            if event.target is not None
            for part in event.target.graph()
        }
        for layer in script.calls_of("torch.nn.Conv2d", "torch.nn.Conv3d"):
            channels, filters = constant(layer, "in_channels"), constant(layer, "out_channels")
            if not isinstance(channels, int) or not isinstance(filters, int) or layer.node is None:
                continue
            if channels not in IMAGE_CHANNELS or filters > channels or id(layer) in frozen:
                continue
            if constant(layer, "groups", 1) == 1 and not _pointwise(layer) and _is_first(script, layer):
                yield self.problem(
                    layer.node,
                    f"the first convolution has {filters} filter{'s' * (filters > 1)} for {channels} input "
                    f"channel{'s' * (channels > 1)}: what it drops, no later layer can use; give it more "
                    f"filters than channels, such as 16 or 32",
                )


def _pointwise(layer: Value) -> bool:
    size = argument(layer, "kernel_size")
    return size is not None and all(part.is_const(1) for part in size.args or [size])


def _is_first(script: ScriptModel, layer: Value) -> bool:
    """Whether its input is the network's, and its output goes into another layer."""
    container = layer.owner
    if container is not None and container.op == "torch.nn.Sequential":
        return bool(container.args) and container.args[0] is layer and len(container.args) > 1
    calls = [call for call in script.calls if call.receiver is layer and call.input is not None]
    return bool(calls) and all(
        call.input is not None
        and call.frame is not None
        and forward_of(call.frame) is not None
        and all(part.op in {"param", "batch_item"} for part in call.input.sources(LOOK_THROUGH))
        for call in calls
    )
