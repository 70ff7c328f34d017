"""See rules/dropout-before-batch-norm.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import argument
from nnlint.static.torch_api import BATCH_NORMS, DROPOUTS
from nnlint.static.values import EventKind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

OPERATIONS = frozenset(
    {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
)
ACTIVATIONS = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "relu_"})
_JUDGES = frozenset({"validation_step", "test_step", "predict_step"})
MESSAGE = (
    "this dropout feeds batch norm directly: it changes the variance in training, so the running variance "
    "that evaluation uses is wrong; put the dropout after the batch norm and its activation"
)


class DropoutBeforeBatchNorm(Rule):
    words = ("BatchNorm",)
    names_what_is_built = True

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if _never_evaluated(script):
            return
        said = set[int]()
        quiet = {id(event.target) for event in script.events_of(EventKind.EVAL)}
        for sequential in script.calls_of("torch.nn.Sequential"):
            for first, second in zip(sequential.args, sequential.args[1:], strict=False):
                if first.op in DROPOUTS and second.op in BATCH_NORMS and not _off(first):
                    said.add(id(first))
                    yield from self._pair(first.node, second.node)
        for call in script.calls_of("batch_norm"):
            if call.receiver is None or call.input is None:
                continue
            for value in call.input.sources():
                if (
                    value.op in OPERATIONS
                    and not _off(value)
                    and not _layers(value) & (said | quiet)
                    and not _preactivated(value)
                    and value.frame is not None
                    and call.frame is not None
                ):
                    yield from self._pair(value.node, call.node)

    def _pair(self, dropout: cst.CSTNode | None, norm: cst.CSTNode | None) -> Iterator[Problem]:
        if dropout is None or norm is None:
            return
        yield self.problem(
            dropout,
            MESSAGE,
            related=((norm, "the batch norm"),),
        )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.dropouts import dropped

        for index, node in enumerate(step.nodes):
            if "batch_norm" not in step.operator(index) or node.arguments.get("training") is False:
                continue
            dropout = step.origin(step.sources(index)[0]).node
            if dropped(step, dropout) is not None and node.caller != "library":
                yield Sighting(step.nodes[dropout].place, MESSAGE, related=((node.place, "the batch norm"),))


def _layers(dropped: Value) -> set[int]:
    return {id(part) for part in dropped.receiver.alternatives()} if dropped.receiver is not None else set()


def _never_evaluated(script: ScriptModel) -> bool:
    """A whole script whose networks stay in training mode and are kept nowhere, as a GAN's often do: nothing
    reads the running variance."""
    if any(True for _ in script.events_of(EventKind.EVAL, EventKind.SAVE)):
        return False
    trained = [cls for cls in script.classes if "training_step" in cls.methods]
    if trained:
        return not any(_JUDGES & cls.methods.keys() for cls in trained)
    return script.complete and bool(script.training_passes)


def _preactivated(dropped: Value) -> bool:
    """Whether it stands where a Wide ResNet has it: between the two convolutions of a block whose norms come
    first, the block's own first norm included."""
    layer = dropped.input
    if layer is None or not layer.op.startswith("conv"):
        return False
    before = layer.input
    while before is not None and before.op in ACTIVATIONS:
        before = before.input
    return before is not None and before.op == "batch_norm"


def _off(dropout: Value) -> bool:
    probability = argument(dropout, "p")
    return probability is not None and probability.is_const(0, 0.0)
