"""Where the batch axis stands in the tensors of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.graph.axes import SAMPLES, Factor, Value, plain
from nnlint.graph.call import Source

if TYPE_CHECKING:
    from nnlint.graph.flow import Flow


def start(flow: Flow) -> dict[int, tuple[Value, ...]]:
    """The values of the input nodes that number samples, by node."""
    graph = flow.graph
    inputs = [index for index, node in enumerate(graph.nodes) if node.op == "input" and node.shapes]
    ragged = _graphs(flow, inputs)
    if ragged or graph.batch < 2:
        return ragged
    found: dict[int, tuple[Value, ...]] = {}
    for index in inputs:
        shape = graph.nodes[index].shapes[0]
        place = next((place for place, length in enumerate(shape) if length == graph.batch), None)
        if place is not None:
            found[index] = (_numbering(index, shape, place, SAMPLES),)
    return found


def _numbering(
    index: int, shape: tuple[int, ...], place: int, source: int, points: int | None = None
) -> Value:
    axes = list(plain(shape))
    axes[place] = (Factor(shape[place], source),) if shape[place] > 1 else ()
    return Value(tuple(axes), points=points, origin=(index, 0))


def _graphs(flow: Flow, inputs: list[int]) -> dict[int, tuple[Value, ...]]:
    """PyTorch Geometric's batches: `batch` gives each node its graph, `edge_index` joins nodes of one."""
    graph = flow.graph
    named = {
        graph.nodes[index].name.rpartition(".")[2].rstrip("]'\"").rpartition("'")[2]: index
        for index in inputs
    }
    if "edge_index" not in named:
        return {}
    shape = graph.nodes[named["edge_index"]].shapes[0]
    owner = named.get("batch")
    if len(shape) != 2 or shape[0] != 2 or owner is None or len(graph.nodes[owner].shapes[0]) != 1:
        return {}
    edges, nodes = shape[1], graph.nodes[owner].shapes[0][0]
    node_source = flow.source(Source(nodes, "ragged", owner), ("nodes",))
    edge_source = flow.source(Source(edges, "ragged", named["edge_index"]), ("edges",))
    found: dict[int, tuple[Value, ...]] = {}
    for name, index in named.items():
        shape = graph.nodes[index].shapes[0]
        if name == "edge_index":
            found[index] = (_numbering(index, shape, 1, edge_source, node_source),)
        elif name == "batch":
            found[index] = (_numbering(index, shape, 0, node_source, SAMPLES),)
        elif name == "ptr":
            # Positions of the node axis, one more than there are graphs.
            continue
        elif shape and shape[0] == nodes:
            found[index] = (_numbering(index, shape, 0, node_source),)
        elif shape and shape[0] == edges:
            found[index] = (_numbering(index, shape, 0, edge_source),)
        elif shape and shape[0] == graph.batch > 1:
            found[index] = (_numbering(index, shape, 0, SAMPLES),)
    return found
