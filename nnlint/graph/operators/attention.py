"""Scaled dot-product attention, whole."""

from __future__ import annotations

from nnlint.graph.axes import Value, carries, plain, plain_axis
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.registry import rule

MASKS = ("attn_mask", "attn_bias")


@rule(
    "scaled_dot_product_attention", "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_attention_math",
    "_scaled_dot_product_attention_math_for_mps", "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_flash_attention_quantized",
)  # fmt: skip
def attention(call: Call) -> tuple[Value, ...]:
    """(…, L, E), (…, S, E), (…, S, Ev) -> (…, L, Ev): each query takes from all keys."""
    query, key, value = call.tensor("query"), call.tensor("key"), call.tensor("value")
    values = [query, key, value]
    mixed = 0
    for name, kind, places in (
        ("query", "contraction", (-1,)), ("key", "attention", (-2, -1)), ("value", "attention", (-2,)),
    ):  # fmt: skip
        axes = call.axes(name)
        for place in places:
            if carries(axes[place]) and not mixed:
                mixed = call.mix(kind, values, name, place % len(axes), [axes[place]])
    heads = [call.axes(name)[:-2] for name in ("query", "key", "value")]
    mask = next((found for name in MASKS if (found := call.value(name)) is not None), None)
    lead = call.shape[:-2]
    if any(carries(axis) for axis in call.axes("key")[-3:-2]) and call.shape_of("key")[:-2] != lead:
        # Grouped queries: the key's heads are repeated; only the head axis may differ.
        return (UNKNOWN,) * len(call.node.shapes)
    parts = [
        Value(axes, entry.pinned, entry.mixed, True, entry.learned)
        for axes, entry in zip(heads, values, strict=True)
    ]
    if mask is not None and mask.axes is not None:
        if any(carries(axis) for axis in mask.axes[-1:]):
            mixed |= call.mix("attention", [*values, mask], None, None, mask.axes[-1:])
        parts.append(Value(mask.axes[:-2], mask.pinned, mask.mixed, True, mask.learned))
    head = call.pointwise(parts, lead)
    if head.axes is None:
        return (head,) * len(call.node.shapes)
    rows = call.axes("query")[-2]
    last = call.axes("value")[-1] if carries(call.axes("value")[-1]) else plain_axis(call.shape[-1])
    result = call.combine([head], (*head.axes, rows, last), mixed)
    others = []
    for shape in call.node.shapes[1:]:
        axes = plain(shape)
        if shape == call.shape[:-1]:
            axes = (*head.axes, rows)
        elif len(shape) == len(call.shape) and shape[:-2] == lead and shape[-2] == call.shape[-2]:
            axes = (*head.axes, rows, plain_axis(shape[-1]))
        elif shape and shape[0] == lead[0] and carries(head.axes[0]):
            axes = (head.axes[0], *plain(shape[1:]))
        others.append(call.combine([head], axes, mixed))
    return (result, *others)


@rule("_native_multi_head_attention", "_transformer_encoder_layer_fwd")
def fused_layer(call: Call) -> tuple[Value, ...]:
    """What nn.MultiheadAttention and nn.TransformerEncoderLayer run in evaluation: batch first."""
    name = "query" if call.name == "_native_multi_head_attention" else "src"
    value = call.tensor(name)
    axes = call.axes(name)
    mixed = call.mix("attention", call.given(), name, 1, axes[1:2]) if carries(axes[1]) else 0
    return tuple(
        call.combine(
            call.given(), (axes[0], *([axes[1]] if len(shape) > 1 else []), *plain(shape[2:])), mixed
        )
        if shape and shape[0] == call.shape[0]
        else Value(plain(shape), learned=value.learned)
        for shape in call.node.shapes
    )
