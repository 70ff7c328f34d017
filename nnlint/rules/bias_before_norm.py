"""See rules/bias-before-norm.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import constant
from nnlint.static.flow import following
from nnlint.static.initial import LAYERS
from nnlint.static.torch_api import BATCH_NORMS
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Norms that subtract the mean of each unit; layer norm and group norm mix units.
UNIT_NORMS = BATCH_NORMS | {"torch.nn.InstanceNorm1d", "torch.nn.InstanceNorm2d", "torch.nn.InstanceNorm3d"}


class BiasBeforeNorm(Rule):
    words = ("BatchNorm", "InstanceNorm")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for layer, norm in self._pairs(script):
            if layer.op not in LAYERS or layer.node is None or id(layer.node) in seen or norm.node is None:
                continue
            if (
                constant(layer, "bias", True) is not True
                or constant(norm, "track_running_stats", True) is ...
            ):
                continue
            seen.add(id(layer.node))
            short = norm.op.rpartition(".")[2]
            yield self.problem(
                layer.node,
                f"`{short}` subtracts the mean of each unit, and with it the bias of this layer: it does "
                f"nothing; write `bias=False`",
                related=((norm.node, "the norm"),),
            )

    def _pairs(self, script: ScriptModel) -> Iterator[tuple[Value, Value]]:
        """Layers and the norms that take their output, and nothing else does."""
        for op in sorted(LAYERS):
            for layer in script.calls_of(op):
                after = following(layer)
                if after and after[0].op in UNIT_NORMS:
                    yield layer, after[0]
        for call in script.calls_of("batch_norm", "instance_norm"):
            before = call.input
            if before is None or call.receiver is None or before.receiver is None or before.alts:
                continue
            if call.receiver.op in UNIT_NORMS and script.flow.only_taker(before) is call:
                yield before.receiver, call.receiver
