"""The batch axis of a step whose batch no loader gives: the first axis that inputs, targets and loss "
"share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from math import prod

from nnlint.graph.criteria import LABELLED, POINTWISE, criteria
from nnlint.graph.makers import PIECES
from nnlint.graph.nodes import Graph, Ref
from nnlint.graph.operators import name_of
from nnlint.graph.step import SAME_NUMBERS, GraphStep

# They take rows.
_ROWS = frozenset({"index", "slice", "index_select", "narrow"})
_RECURRENT = ("lstm", "gru", "rnn")


def with_batch(graph: Graph, first: int = 0) -> Graph:
    """The graph with its N and with its inputs told from constants, where that can be known for sure.

    A loss has as many predictions as targets along their first axis; where the model has made the ones of
    tensors with that first axis, and no other axis of anything that was there before the step is as long,
    that axis numbers samples. Nothing is said of graphs (their nodes are no samples), of sequences that
    come in one piece, or of anything else with another axis of that length. `first` is what the axis is taken
    to be where no loss says so.
    """
    if graph.batch or not graph.roots:
        return graph
    step = GraphStep(graph)
    sizes = {size for pair in _pairs(step) if (size := _shared(step, *pair))}
    sizes = sizes or {first} - {0}
    if len(sizes) != 1:
        return graph
    (size,) = sizes
    return _numbered(graph, size) if _is_told(graph, size) else graph


def _is_told(graph: Graph, size: int) -> bool:
    """Whether an axis of this length can be none but the batch axis, in all that was there before."""
    held = [
        node
        for node in graph.nodes
        if node.op in ("input", "constant", "buffer", "parameter") and node.shapes
    ]
    if any(
        size in node.shapes[0][1:] or (node.op == "parameter" and size in node.shapes[0]) for node in held
    ):
        return False
    # Classes, or what else a model gives for each sample.
    if any(size in graph.nodes[entry.ref.node].shapes[entry.ref.output][1:] for entry in graph.outputs):
        return False
    # Two rows of positions join the nodes of a graph.
    if any(
        node.shapes[0][:1] == (2,) and len(node.shapes[0]) == 2 and "int" in node.dtypes[0] for node in held
    ):
        return False
    flat = any(node.shapes[0] and node.shapes[0][0] == size and len(node.shapes[0]) == 2 for node in held)
    recurrent = any(word in node.op.rpartition("aten.")[2] for node in graph.nodes for word in _RECURRENT)
    return not (flat and recurrent)


def _pairs(step: GraphStep) -> Iterator[tuple[Ref, Ref]]:
    """What the loss compares: of the losses of torch, and of differences that the script writes out."""
    for loss in criteria(step, *LABELLED, *POINTWISE):
        yield loss.prediction, loss.target
    for index in step.before_loss - step.before_prediction:
        sources = step.sources(index)
        if step.operator(index) == "sub" and len(sources) == 2:
            yield from permutations(sources)


def _shared(step: GraphStep, prediction: Ref, target: Ref) -> int:
    """The first axis of what a model gives and of its target; 0 if they are not one a sample."""
    made, given = step.origin(prediction), step.origin(target)
    whole = [step.shape(output.ref) for output in step.predictions if step.origin(output.ref) == made]
    ours, theirs = step.shape(made), step.shape(given)
    if not whole or len(ours) not in (1, 2) or not theirs or not _is_data(step, given, theirs[0]):
        return 0
    # One target a sample: along a further axis there could be time, and it could come first.
    alone = ours[0] == theirs[0] == prod(theirs) > 1
    return ours[0] if alone and all(shape == ours for shape in whole) else 0


def _is_data(step: GraphStep, ref: Ref, size: int) -> bool:
    """Whether it was there before the step, with so many rows, or is some columns or rows of what was."""
    node = step.nodes[ref.node]
    if node.op in ("constant", "input") or _is_drawn(step.graph, ref.node):
        return node.shapes[0][:1] == (size,)
    sources = step.sources(ref.node)
    return (
        step.operator(ref.node) in PIECES | SAME_NUMBERS
        and bool(sources)
        and _is_data(step, sources[0], size)
    )


def _is_drawn(graph: Graph, index: int) -> bool:
    """Whether it is a batch of rows that the script takes out of its data: `x[batch]`."""
    node = graph.nodes[index]
    given = node.arguments.get("self")
    if name_of(node.op) not in _ROWS or not isinstance(given, Ref) or not node.shapes[0]:
        return False
    source = graph.nodes[given.node]
    return source.op == "constant" and source.shapes[0][1:] == node.shapes[0][1:]


def _numbered(graph: Graph, size: int) -> Graph:
    nodes = [
        replace(node, op="input", arguments={})
        if node.shapes
        and node.shapes[0][:1] == (size,)
        and (node.op == "constant" or _is_drawn(graph, index))
        else node
        for index, node in enumerate(graph.nodes)
    ]
    return replace(graph, nodes=tuple(nodes), batch=size)
