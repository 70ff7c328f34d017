"""The shapes that layers give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.static.arguments import argument, constant
from nnlint.static.axes import Axis, Shape, simplify
from nnlint.static.rearrange import argument_of, fresh, window
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.shapes import Shapes


def mapped(shapes: Shapes, value: Value) -> Shape | None:
    shape = shapes.of(value.args[0])
    features = argument(value, "out_features" if value.op == "linear" else "embedding_dim")
    if not shape or features is None:
        return None
    return (*(shape[:-1] if value.op == "linear" else shape), shapes.amount(features))


def spatial(shapes: Shapes, value: Value) -> Shape | None:
    dimensions = next((n for n in (1, 2, 3) if f"{n}d" in value.op), 0)
    if not dimensions or (value.receiver is None and value.op.startswith("conv")):
        return None
    inner = value.args[0]
    before = shapes.of(inner)
    if before is not None and len(before) != dimensions + 2:
        before = None
    if before is None:
        shapes.note_images(inner)
    shape: list[Axis] = list(before or shapes.symbols(inner, dimensions + 2))
    if value.op.startswith("conv"):
        channels = argument(value, "out_channels")
        if channels is None:
            return None
        shape[1] = shapes.amount(channels)
    sizes = argument_of(value, "output_size", 1) if value.op.startswith("adaptive_") else None
    for i in range(2, dimensions + 2):
        if sizes is not None:
            many = sizes.kind is Kind.SEQUENCE and len(sizes.args) == dimensions
            part = sizes.args[i - 2] if many else sizes
            known = part.kind is Kind.CONST and part.const is not None
            shape[i] = shapes.amount(part) if known else fresh(value, i)
        else:
            after = window(value, i - 2, dimensions, shape[i])
            shape[i] = after if after is not None else fresh(value, i)
    return tuple(shape)


def recurrent(shapes: Shapes, value: Value) -> Shape | None:
    layer = value.receiver
    first, hidden = constant(value, "batch_first", False), argument(value, "hidden_size")
    if layer is None or hidden is None or first not in (True, False):
        return None
    shape = shapes.of(value.args[0])
    if shape is None or len(shape) != 3:
        shape = shapes.symbols(value.args[0], 3)
    both, layers = constant(value, "bidirectional", False), argument(value, "num_layers")
    directions: Axis = (
        (2,) if both is True else () if both is False else (("value", id(layer), "directions"),)
    )
    if value.op.endswith("_state"):
        depth = shapes.amount(layers) if layers is not None else ()
        return (simplify((*depth, *directions)), shape[0 if first else 1], shapes.amount(hidden))
    return (*shape[:2], simplify((*directions, *shapes.amount(hidden))))
