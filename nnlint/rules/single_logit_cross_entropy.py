"""See rules/single-logit-cross-entropy.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.scores import losses_of
from nnlint.static.shapes import origin
from nnlint.static.values import Value
from nnlint.static.widths import gives, producer

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

OVER_CLASSES = {"softmax": "1", "log_softmax": "0"}


class SingleLogitCrossEntropy(Rule):
    words = ("cross_entropy", "CrossEntropyLoss", "softmax", "Softmax")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.loops import LATER

        return (LATER,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        for criterion in (criterion for step in seen.first_steps for criterion in step.criteria):
            if criterion.name == "cross_entropy" and criterion.classes == 1 and len(criterion.prediction) > 1:
                yield Sighting(
                    criterion.place,
                    f"the prediction is {list(criterion.prediction)}: a single score for each sample, and "
                    "cross-entropy over one class is always 0, so nothing is learned; use "
                    "BCEWithLogitsLoss, or one output a class",
                    evidence={"prediction": list(criterion.prediction)},
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import makers

        for index in sorted(step.before_loss):
            node = step.nodes[index]
            operator, dim = step.operator(index), node.arguments.get("dim")
            if operator not in ("_softmax", "_log_softmax") or not isinstance(dim, int) or not node.grad:
                continue
            (scores, *_) = step.sources(index)
            shape = step.shape(scores)
            layer = makers.layer_behind(step, scores)
            if len(shape) < 2 or shape[dim] != 1 or layer is None:
                continue
            # Of the layer's own outputs, and not of places or heads that there happens to be one of.
            width = 1 if step.operator(layer) == "convolution" else -1
            if step.nodes[layer].shapes[0][width] == 1 and dim % len(shape) == width % len(shape):
                name = operator.strip("_")
                yield Sighting(
                    node.place,
                    f"{name} over {step.axis(scores, dim % len(shape))}, which has size 1, is "
                    f"{OVER_CLASSES[name]} whatever the weights, and its gradient is 0; use a sigmoid, or "
                    "BCEWithLogitsLoss, for one logit, one output a class, or the axis that was meant",
                    related=((step.nodes[layer].place, "one output"),),
                )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for loss in losses_of(script, "cross_entropy"):
            layer = _single(script, loss.prediction, 1, loss=True)
            if layer is not None and id(loss.node) not in seen:
                seen.add(id(loss.node))
                name = script.name_of(loss.prediction, "the prediction")
                yield self.problem(
                    loss.node,
                    f"`{name}` has a single logit for each sample, and cross-entropy over one class is "
                    "always 0: nothing is learned; use BCEWithLogitsLoss, or one output a class",
                    related=_made(layer),
                )
        for call in script.calls_of(*OVER_CLASSES):
            made = call.receiver if call.receiver is not None else call
            dim = constant(call, "dim")
            if not call.args or made.node is None or id(made.node) in seen or type(dim) is not int:
                continue
            layer = _single(script, call.args[0], dim)
            if layer is not None:
                seen.add(id(made.node))
                name = script.name_of(call.args[0], "its input")
                yield self.problem(
                    made.node,
                    f"{call.op} over axis {dim} of `{name}`, which has size 1, is {OVER_CLASSES[call.op]} "
                    "whatever the weights, and its gradient is 0; use sigmoid for one logit, or the axis "
                    "that was meant",
                    related=_made(layer),
                )


def _single(script: ScriptModel, scores: Value, dim: int, loss: bool = False) -> Value | None:
    """The layer with one output that made the scores, where `dim` is the axis of that output."""
    layer = producer(scores)
    if layer is None or gives(script.shapes, layer) != ():
        return None
    last = layer.op == "torch.nn.Linear"
    shape = script.shapes.of(scores)
    if shape is None:  # scores of attention are `[N, T, 1]` and go over axis 1
        return layer if last and (dim == -1 or (loss and origin(scores).op == "linear")) else None
    if len(shape) < 2 or not -len(shape) <= dim < len(shape):
        return None
    return layer if dim % len(shape) == (len(shape) - 1 if last else 1) and shape[dim] == () else None


def _made(layer: Value) -> tuple[tuple[cst.CSTNode, str], ...]:
    return ((layer.node, "one output"),) if layer.node is not None else ()
