"""Normalisation layers."""

from __future__ import annotations

from nnlint.graph.axes import Axes, Value, carries, plain
from nnlint.graph.call import Call
from nnlint.graph.operators.reductions import mixed_over
from nnlint.graph.operators.registry import rule


@rule(
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional",
    "_native_batch_norm_legit_no_training", "_batch_norm_with_update", "_batch_norm_no_update",
    "_batch_norm_with_update_functional", "cudnn_batch_norm", "miopen_batch_norm", "batch_norm",
    "_batch_norm_impl_index",
)  # fmt: skip
def batch_norm(call: Call) -> tuple[Value, ...]:
    """(N, C, …): in training, each channel by its mean and variance over all other axes."""
    value = call.tensor("input")
    axes = call.axes("input")
    training = call.arg("training", "train")
    if training is None:
        training = call.name == "_batch_norm_with_update" or call.name == "_batch_norm_with_update_functional"
    mixed = 0
    others = [axis for place, axis in enumerate(axes) if place != 1]
    if training and any(map(carries, others)):
        mixed = call.mix("batch statistics", [value], "input", 0, others, context=True)
    values = [found for name in ("input", "weight", "bias") if (found := call.value(name)) is not None]
    if not training:
        values += [
            found for name in ("running_mean", "running_var") if (found := call.value(name)) is not None
        ]
    spread = [
        entry
        if entry is value
        else entry.with_axes(tuple(() for _ in axes) if not entry.follows else _channels(entry, len(axes)))
        for entry in values
    ]
    result = call.pointwise(spread, call.shape)
    result = call.combine([result], result.axes, mixed)
    channel = axes[1] if len(axes) > 1 else ()
    rest = []
    for shape in call.node.shapes[1:]:
        fits = len(shape) == 1 and shape[0] == call.shape[1]
        rest.append(call.combine([value], (channel,) if fits else plain(shape), mixed))
    return (result, *rest)


def _channels(value: Value, rank: int) -> Axes:
    """A value for each channel, beside (N, C, …)."""
    axes = value.axes or ()
    return ((), *axes[:1], *(() for _ in range(rank - 2)))


@rule("native_layer_norm", "layer_norm", "_layer_norm", "rms_norm", "_fused_rms_norm", "native_rms_norm")
def layer_norm(call: Call) -> tuple[Value, ...]:
    """Over the trailing axes."""
    value = call.tensor("input")
    axes = call.axes("input")
    count = len(call.arg("normalized_shape"))
    places = range(len(axes) - count, len(axes))
    mixed = mixed_over(call, "normalisation", value, places, "input")
    result = call.combine([value, *_scales(call)], axes, mixed)
    rest = []
    for shape in call.node.shapes[1:]:
        wide = tuple(axis if place not in places else () for place, axis in enumerate(axes))
        fits = len(shape) == len(axes)
        rest.append(call.combine([value], wide if fits else plain(shape), mixed))
    return (result, *rest)


@rule("native_group_norm", "group_norm")
def group_norm(call: Call) -> tuple[Value, ...]:
    """(N, C, …): over groups of channels and all that follows."""
    value = call.tensor("input")
    axes = call.axes("input")
    mixed = mixed_over(call, "normalisation", value, range(1, len(axes)), "input")
    result = call.combine([value, *_scales(call)], axes, mixed)
    rest = [call.combine([value], (axes[0], *plain(shape[1:])), mixed) for shape in call.node.shapes[1:]]
    return (result, *rest)


def _scales(call: Call) -> list[Value]:
    found = [call.value(name) for name in ("weight", "bias")]
    return [value.with_axes(()) for value in found if value is not None and not value.follows]


@rule("instance_norm")
def instance_norm(call: Call) -> Value:
    """(N, C, …): over all that follows."""
    value = call.tensor("input")
    axes = call.axes("input")
    return call.combine([value], axes, mixed_over(call, "normalisation", value, range(2, len(axes)), "input"))


@rule("_weight_norm_interface", "_weight_norm")
def weight_norm(call: Call) -> tuple[Value, ...]:
    """Of parameters only."""
    return tuple(call.plain(shape) for shape in call.node.shapes)


@rule("batch_norm_stats", "batch_norm_gather_stats_with_counts", "batch_norm_elemt")
def synchronised(call: Call) -> tuple[Value, ...]:
    """SyncBatchNorm: the statistics of all processes."""
    value = call.tensor("input")
    mixed = call.mix("batch statistics", [value], "input", 0, call.axes("input")[:1], context=True)
    return tuple(
        call.combine([value], call.axes("input") if shape == call.shape_of("input") else plain(shape), mixed)
        for shape in call.node.shapes
    )
