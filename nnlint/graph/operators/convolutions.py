"""Convolution, pooling, interpolation, padding: windows over the spatial axes, samples before them."""

from __future__ import annotations

from nnlint.graph.axes import Axes, Value, carries, joined, plain, plain_axis, size
from nnlint.graph.call import Call
from nnlint.graph.operators.registry import rule


@rule(
    "convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution", "convolution_overrideable",
    "slow_conv2d_forward", "thnn_conv2d", "_slow_conv2d_forward", "conv_depthwise3d", "_conv_depthwise2d",
    "miopen_convolution", "cudnn_convolution_transpose", "cudnn_convolution_relu", "slow_conv3d_forward",
)  # fmt: skip
def convolution(call: Call) -> Value:
    """(N, C, …): windows over the spatial axes, all channels of a group."""
    name = "input" if call.arg("input") is not None else "self"
    value, weight = call.tensor(name), call.tensor("weight")
    axes, kernel = call.axes(name), call.axes("weight")
    over = [place for place in range(1, len(axes)) if carries(axes[place])]
    groups = call.arg("groups") or 1
    mixed = 0
    channels = plain_axis(call.shape[1])
    if over == [1] and groups > 1:
        # Samples as groups, each with kernels of its own: (1, N * C, …).
        first, *rest = axes[1]
        if (
            first.source is not None
            and first.size % groups == 0
            and not any(f.source is not None for f in rest)
        ):
            over = []
            channels = joined((first, *plain_axis(call.shape[1] // first.size)))
    if over:
        mixed = call.mix("convolution", [value, weight], name, over[0], [axes[place] for place in over])
    if weight.follows and (groups == 1 or not carries(channels)):
        kernels = [axis for axis in kernel if carries(axis)]
        mixed |= call.mix("convolution", [value, weight], "weight", weight.places()[0], kernels)
    values = [found for found in (value, weight, call.value("bias")) if found is not None]
    spatial = tuple(
        axis if carries(axis) and size(axis) == length else plain_axis(length)
        for axis, length in zip(axes[2:], call.shape[2:], strict=True)
    )
    return call.combine(values, (axes[0], channels, *spatial), mixed)


@rule(
    "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "fractional_max_pool2d", "fractional_max_pool3d", "max_unpool2d", "max_unpool3d", "mkldnn_max_pool2d",
    "max_pool1d_with_indices", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "upsample_nearest1d",
    "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "im2col",
    "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d",
    "replication_pad3d", "constant_pad_nd", "pad", "_pad_circular",
)  # fmt: skip
def windows(call: Call) -> tuple[Value, ...]:
    """The trailing axes change; those whose length stays are left as they are."""
    name = "self" if call.arg("self") is not None else "input"
    value = call.tensor(name)
    axes = call.axes(name)
    return tuple(_trailing(call, name, value, axes, shape) for shape in call.node.shapes)


def _trailing(call: Call, name: str, value: Value, axes: Axes, shape: tuple[int, ...]) -> Value:
    before = call.shape_of(name)
    spatial = len(shape) - _lead(call, len(before))
    if call.name == "im2col":
        # (N, C, H, W) -> (N, C * k * k, L)
        spatial = 2
    result, mixed = [], 0
    for place, length in enumerate(shape):
        axis = axes[place] if place < len(axes) else ()
        touched = place >= len(shape) - spatial
        if carries(axis) and touched and not (call.name == "constant_pad_nd" and length == before[place]):
            mixed |= call.mix("convolution", [value], name, place, [axis])
        result.append(axis if carries(axis) and length == before[place] else plain_axis(length))
    return call.combine([value], tuple(result), mixed)


def _lead(call: Call, rank: int) -> int:
    """How many axes stand before those that windows move over."""
    if call.name in ("constant_pad_nd", "pad", "_pad_circular"):
        return rank - len(call.arg("pad")) // 2
    digit = next((int(sign) for sign in call.name if sign in "123"), 2)
    return rank - digit


@rule("col2im")
def col2im(call: Call) -> Value:
    """(N, C * k * k, L) -> (N, C, H, W)."""
    value = call.tensor("self")
    axes = call.axes("self")
    lead = len(axes) - 2
    over = [place for place in range(lead, len(axes)) if carries(axes[place])]
    mixed = call.mix("convolution", [value], "self", over[0], [axes[place] for place in over]) if over else 0
    return call.combine([value], (*axes[:lead], *plain(call.shape[lead:])), mixed)


@rule(
    "grid_sampler_2d", "grid_sampler_3d", "grid_sampler", "_grid_sampler_2d_cpu_fallback",
    "cudnn_grid_sampler",
)  # fmt: skip
def grid_sampler(call: Call) -> Value:
    """(N, C, H, W) read at places of its own."""
    value, grid = call.tensor("input", "self"), call.tensor("grid")
    axes, places = call.axes("input", "self"), call.axes("grid")
    over = [place for place in range(2, len(axes)) if carries(axes[place])]
    mixed = call.mix("convolution", [value], "input", over[0], [axes[place] for place in over]) if over else 0
    head = call.pointwise([value.with_axes(axes[:1]), grid.with_axes(places[:1])], call.shape[:1])
    assert head.axes is not None
    return call.combine([head, value.with_axes(())], (*head.axes, axes[1], *places[1:-1]), mixed)


@rule("affine_grid_generator")
def affine_grid(call: Call) -> Value:
    """(N, 2, 3) -> (N, H, W, 2)."""
    return call.combine([call.tensor("theta")], (call.axes("theta")[0], *plain(call.shape[1:])))


@rule("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle")
def shuffled_channels(call: Call) -> Value:
    """Channels become pixels, or pixels channels."""
    value = call.tensor("self")
    axes = call.axes("self")
    over = [place for place in range(len(axes) - 3, len(axes)) if carries(axes[place])]
    if over:
        mixed = call.mix("regroup", [value], "self", over[0], [axes[place] for place in over])
        return call.combine([value], None, mixed)
    return value.with_axes((*axes[:-3], *plain(call.shape[-3:])))
