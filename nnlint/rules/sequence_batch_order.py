"""See rules/sequence-batch-order.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.shapes import POINTWISE, origin
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

RECURRENT = frozenset({"lstm", "gru", "rnn"})
SEQUENCES = RECURRENT | {
    "multihead_attention", "transformer", "transformer_encoder", "transformer_decoder",
    "transformer_encoder_layer", "transformer_decoder_layer",
}  # fmt: skip
STACKS = frozenset({"torch.nn.TransformerEncoder", "torch.nn.TransformerDecoder"})


class SequenceBatchOrder(Rule):
    words = ("LSTM", "GRU", "RNN", "MultiheadAttention", "Transformer")
    names_what_is_built = True

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for call in script.calls_of(*SEQUENCES):
            layer = _time_major(call)
            if layer is None or layer.node is None or id(layer.node) in seen or not call.args:
                continue
            data = call.args[0]
            shape = script.shapes.of(data)
            if (shape is None or (len(shape) == 3 and shape[1])) and script.shapes.samples_lead(data):
                seen.add(id(layer.node))
                runs = "the recurrence runs" if call.op in RECURRENT else "attention looks"
                yield self.problem(
                    layer.node,
                    f"without batch_first=True axis 0 of `{script.name_of(data, 'the input')}` is read as "
                    f"time, but it is the batch: {runs} from sample to sample; give batch_first=True",
                    related=_at(call.node, "called on a batch"),
                )
        for cut, call in _last_steps(script):
            layer = _time_major(call)
            shape = script.shapes.of(call.args[0])
            if layer is None or layer.node is None or id(layer.node) in seen:
                continue
            if shape is not None and len(shape) > 1 and not shape[1]:
                continue  # one sequence: the last sample is the only one
            seen.add(id(layer.node))
            yield self.problem(
                layer.node,
                f"without batch_first=True axis 1 of its output is the batch: `{script.text(cut.node, 30)}` "
                f"takes the last sample of the batch, not the last step; give batch_first=True",
                related=_at(cut.node, "the last sample"),
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.across import crossings, layer

        for crossing in crossings(step, self.page.name):
            node = step.nodes[crossing.node]
            recurrent = layer(step, crossing.mixing) == "recurrent"
            runs = "the recurrence runs" if recurrent else "attention looks"
            name = f"`{node.module}`" if node.module else "the layer"
            yield Sighting(
                node.place,
                f"{name} reads the batch axis as time: {runs} from sample to sample, and each "
                "prediction depends on the other samples of its batch; build it with batch_first=True, or "
                "give it the time axis first",
                related=step.came_from(),
            )


def _time_major(call: Value) -> Value | None:
    """The layer of torch.nn that takes (time, batch, features), for sure."""
    layer = call.receiver
    if layer is None or not layer.op.startswith("torch.nn.") or call.kind is not Kind.TENSOR:
        return None
    if layer.op in STACKS:
        inner = (
            layer.args[0]
            if layer.args
            else layer.kwargs.get("encoder_layer", layer.kwargs.get("decoder_layer"))
        )
        if inner is None or not inner.op.startswith("torch.nn.Transformer"):
            return None
        layer = inner
    return layer if constant(layer, "batch_first", False) is False else None


def _last_steps(script: ScriptModel) -> Iterator[tuple[Value, Value]]:
    """Where `[:, -1]` is taken of what a recurrent layer gives."""
    for value in (
        *(arg for call in script.calls for arg in call.args),
        *(fact.value for fact in script.facts),
    ):
        if value.op != "getitem" or len(value.args) not in (3, 4) or not value.args[2].is_const(-1):
            continue
        if any(not _whole(index) for index in (value.args[1], *value.args[3:])):
            continue
        made = origin(value.args[0])
        while made.op in POINTWISE and made.args:
            made = origin(made.args[0])
        if made.op in RECURRENT and made.kind is Kind.TENSOR:
            yield value, made


def _whole(index: Value) -> bool:
    return index.op == "slice" and all(part.is_const(None) for part in index.args)


def _at(node: cst.CSTNode | None, label: str) -> tuple[tuple[cst.CSTNode, str], ...]:
    return ((node, label),) if node is not None else ()
