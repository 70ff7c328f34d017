"""Shapes in which the batch axis can be seen: `[N, 16, 32]`, `[N*32, 10]`."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.graph.axes import SAMPLES, Axis, carries
from nnlint.graph.nodes import Ref
from nnlint.graph.step import GraphStep


def sizes(step: GraphStep, ref: Ref) -> Sequence[tuple[str, bool]]:
    """The size of each axis in words, and whether it numbers samples."""
    value, shape = step.value(ref), step.shape(ref)
    if not value.known or value.axes is None or len(value.axes) != len(shape):
        return [(str(size), False) for size in shape]
    return [
        (_axis(axis, size, step.graph.batch), carries(axis))
        for axis, size in zip(value.axes, shape, strict=True)
    ]


def doubt(step: GraphStep, ref: Ref) -> str:
    """What there is to say of a value beside its sizes."""
    value = step.value(ref)
    if not value.known:
        return "not known"
    behind = (mixing for bit, mixing in enumerate(step.mixings) if value.mixed >> bit & 1)
    return "mixed" if any(mixing.node in step.cross_batch for mixing in behind) else ""


def _axis(axis: Axis, size: int, batch: int) -> str:
    if not carries(axis):
        return str(size)
    parts = []
    for factor in axis:
        whole = factor.source == SAMPLES and factor.size == batch and factor.stride == 1
        parts.append("N" if whole else str(factor.size))
    return "*".join(parts)
