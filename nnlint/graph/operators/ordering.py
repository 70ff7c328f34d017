"""Sorting, and choosing at random."""

from __future__ import annotations

from nnlint.graph.axes import Factor, Value, carries, plain, plain_axis
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.indexing import ids, key_of
from nnlint.graph.operators.registry import rule


@rule("sort", "argsort", "topk", "msort", always=True)
def sort(call: Call) -> tuple[Value, ...]:
    """The values of an axis in order, and where they stood."""
    value = call.tensor("self")
    axes = call.axes("self")
    outputs = len(call.node.shapes)
    indices_at = 0 if call.name == "argsort" else 1
    dim = call.arg("dim")
    place = call.axis(value, -1 if dim is None else dim) if axes else 0
    if not value.depends:
        undoes = value.origin if _permutation(call, value) else None
        results = [call.plain(shape) for shape in call.node.shapes]
        if len(axes) == 1 and outputs > indices_at:
            results[indices_at] = Value(plain(call.node.shapes[indices_at]), undoes=undoes)
        return tuple(results)
    length = call.shape[place] if call.shape else 1
    if not axes or not carries(axes[place]):
        found = (*axes[:place], plain_axis(length), *axes[place + 1 :]) if axes else ()
        return (value.with_axes(found),) * outputs
    if any(factor.size > 1 for number, axis in enumerate(axes) if number != place for factor in axis):
        mixed = call.mix("sort", [value], "self", place, [axes[place]])
        kept = axes[place] if call.name != "topk" else plain_axis(length)
        return (call.combine([value], (*axes[:place], kept, *axes[place + 1 :]), mixed),) * outputs
    if length < 2:
        return (UNKNOWN,) * outputs
    source = ids(call, axes[place])
    if value.points is not None and isinstance(value.points, int):
        # The order that undoes another one.
        undone: Value = Value(
            (axes[place],), value.pinned, value.mixed, True, value.learned, undoes=value.origin
        )
        return tuple(undone if number == indices_at else UNKNOWN for number in range(outputs))
    number = call.source(
        "data",
        ("sort", value.origin, key_of(axes[place])),
        length,
        base=axes[place],
        index=(call.index, indices_at),
    )
    axis = (Factor(length, number),)
    found = (*axes[:place], axis, *axes[place + 1 :])
    ordered = Value(found, value.pinned, value.mixed, True, value.learned)
    positions = Value(found, value.pinned, value.mixed, True, value.learned, source)
    return tuple(positions if entry == indices_at else ordered for entry in range(outputs))


def _permutation(call: Call, value: Value) -> bool:
    """Whether it is an index in random order, or one that sorts: its order is its inverse."""
    op = call.flow.graph.nodes[value.origin[0]].op if value.origin[0] >= 0 else ""
    return op.startswith(("aten.randperm", "aten.argsort")) or (
        op.startswith("aten.sort") and value.origin[1] == 1
    )


@rule("multinomial")
def multinomial(call: Call) -> Value:
    """Drawn by the weights of each row."""
    value = call.tensor("self")
    axes = call.axes("self")
    mixed = call.mix("gather", [value], "self", len(axes) - 1, axes[-1:]) if carries(axes[-1]) else 0
    return call.combine([value], (*axes[:-1], plain_axis(call.shape[-1])), mixed)


@rule("nms")
def suppressed(call: Call) -> Value:
    """Of the boxes of one image, the positions of those that are kept."""
    boxes, scores = call.tensor("dets"), call.tensor("scores")
    if boxes.follows or scores.follows:
        raise LookupError("boxes of several images")
    return call.combine([boxes, scores], plain(call.shape))
