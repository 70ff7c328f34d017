"""Fourier transforms."""

from __future__ import annotations

from nnlint.graph.axes import Value, carries, plain, plain_axis
from nnlint.graph.call import Call
from nnlint.graph.operators.reductions import mixed_over, places_of
from nnlint.graph.operators.registry import rule


@rule("_fft_r2c", "_fft_c2c", "_fft_c2r")
def transform(call: Call) -> Value:
    """Every frequency of an axis depends on all its positions."""
    value = call.tensor("self")
    axes = call.axes("self")
    places = places_of(call, value, "dim")
    mixed = mixed_over(call, "transform", value, places)
    before = call.shape_of("self")
    changed = tuple(
        axis if length == before[place] else plain_axis(length)
        for place, (axis, length) in enumerate(zip(axes, call.shape, strict=True))
    )
    return call.combine([value], changed, mixed)


@rule("stft", "istft")
def short_time(call: Call) -> Value:
    """(N, T) -> (N, F, T')."""
    value = call.tensor("self")
    axes = call.axes("self")
    if len(axes) < 2 or any(carries(axis) for axis in axes[1:]):
        raise LookupError("one signal")
    return call.combine([value], (axes[0], *plain(call.shape[1:])))
