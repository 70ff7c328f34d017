"""Mixtures of experts: rows are sorted by their expert, and each expert takes those that are its own."""

from __future__ import annotations

from dataclasses import replace

from nnlint.graph.axes import Axis, Factor, Value, carries, joined, plain
from nnlint.graph.call import UNKNOWN, Call, refs
from nnlint.graph.nodes import Ref
from nnlint.graph.operators.indexing import ids
from nnlint.graph.operators.pointwise import pointwise
from nnlint.graph.operators.registry import rule


@rule("floor_divide")
def divided(call: Call) -> tuple[Value, ...]:
    """Positions divided by the length of an inner axis are positions along the axis without it."""
    results = pointwise(call)
    made = results if isinstance(results, tuple) else (results,)
    value, other = call.value("self"), call.arg("other")
    source = value.points if value is not None else None
    parts = call.flow.sources[source].parts if isinstance(source, int) else ()
    if len(parts) != 1 or not parts[0] or not isinstance(other, int) or other < 1 or not made[0].known:
        return made
    *outer, inner = parts[0]
    if inner.source is not None or inner.size % other:
        return made
    return (replace(made[0], points=ids(call, joined((*outer, Factor(inner.size // other))))),)


@rule("_grouped_mm")
def grouped(call: Call) -> Value:
    """(rows, in), (experts, in, out): which expert's a row is depends on the row alone, if rows and groups
    come of one sorting."""
    value, weights, ends = call.tensor("self"), call.tensor("mat2"), call.arg("offs")
    axes = call.axes("self")
    order = _order(call, axes[0])
    if not isinstance(ends, Ref) or weights.follows or len(axes) != 2 or order is None or carries(axes[1]):
        return UNKNOWN
    if not call.flow.graph.nodes[order[0]].op.startswith(("aten.sort", "aten.argsort")):
        return UNKNOWN
    if order[0] not in _behind(call, ends):
        return UNKNOWN
    return call.combine([value, weights.with_axes(())], (axes[0], *plain(call.shape[1:])))


def _order(call: Call, rows: Axis) -> tuple[int, int] | None:
    """The node and output of the index that has put rows in their order."""
    if len(rows) != 1 or rows[0].source is None or rows[0].stride != 1 or rows[0].offset:
        return None
    return call.flow.sources[rows[0].source].index


def _behind(call: Call, ref: Ref) -> set[int]:
    """The nodes that a value was computed from."""
    found, waiting = {ref.node}, [ref.node]
    while waiting:
        for source in refs(call.flow.graph.nodes[waiting.pop()].arguments.values()):
            if source.node not in found:
                found.add(source.node)
                waiting.append(source.node)
    return found
