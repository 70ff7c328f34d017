"""Operators that sum up an axis, or spread over it: sums, means, softmax, running sums, norms."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.graph.axes import Axis, Value, carries, plain_axis
from nnlint.graph.call import Call
from nnlint.graph.operators.registry import rule


def places_of(call: Call, value: Value, *names: str) -> list[int]:
    """The axes that an argument lists, counted from the front; all of them if it lists none."""
    dims = call.arg(*names)
    rank = len(value.axes or ())
    if dims is None or dims == ():
        return list(range(rank))
    return [place % rank for place in ((dims,) if isinstance(dims, int) else dims)] if rank else []


def mixed_over(call: Call, kind: str, value: Value, places: Sequence[int], argument: str = "self") -> int:
    """The bit of the mixing, if any of the axes numbers samples; 0 otherwise."""
    assert value.axes is not None
    over = [place for place in places if carries(value.axes[place])]
    if not over:
        return 0
    return call.mix(kind, [value], argument, over[0], [value.axes[place] for place in over])


def reduced(
    call: Call, value: Value, places: Sequence[int], kind: str = "reduction", keep: bool = False
) -> Value:
    """Without the axes, or with each of them of size 1."""
    assert value.axes is not None
    mixed = mixed_over(call, kind, value, places)
    axes: tuple[Axis, ...] = tuple(
        () if place in places else axis
        for place, axis in enumerate(value.axes)
        if keep or place not in places
    )
    return call.combine([value], axes, mixed)


@rule(
    "sum", "mean", "nansum", "nanmean", "amax", "amin", "aminmax", "logsumexp", "_logsumexp", "all", "any",
    "prod", "var", "std", "var_mean", "std_mean", "max", "min", "median", "nanmedian", "mode", "argmax",
    "argmin", "norm", "linalg_vector_norm", "count_nonzero", "quantile", "nanquantile", "kthvalue",
    "special_logsumexp", "_is_all_true", "_is_any_true", "frobenius_norm", "sum_to_size", "hash_tensor",
)  # fmt: skip
def reduction(call: Call) -> Value | tuple[Value, ...]:
    """One number for a whole axis."""
    value = call.tensor("self", "input")
    other = call.value("other")
    if other is not None:
        return call.pointwise([value, other])
    places = places_of(call, value, "dim", "dims")
    if (
        call.name in ("mode", "median", "nanmedian", "kthvalue")
        and call.arg("dim") is None
        and len(call.node.shapes) > 1
    ):
        places = [len(call.shape_of("self")) - 1]
    keep = bool(call.arg("keepdim")) and len(call.shape) == len(call.shape_of("self", "input"))
    return (reduced(call, value, places, keep=keep),) * len(call.node.shapes)


@rule(
    "softmax", "_softmax", "log_softmax", "_log_softmax", "_safe_softmax", "special_softmax",
    "special_log_softmax", "_masked_softmax", "softmin",
)  # fmt: skip
def softmax(call: Call) -> Value:
    """Every position of an axis depends on all of them."""
    value = call.tensor("self")
    dim = call.arg("dim")
    places = [call.axis(value, -1 if dim is None else dim)] if value.axes else []
    kind = "softmax"
    if places and len(value.places()) > 1 and places[0] in value.places():
        kind = "attention"
    mixed = mixed_over(call, kind, value, places)
    mask = call.value("mask")
    values = [value] if mask is None else [value, mask]
    return call.combine(values, value.axes, mixed)


@rule(
    "cumsum", "cumprod", "cummax", "cummin", "_cummax_helper", "logcumsumexp", "diff",
    "cumulative_trapezoid", "_cumsum", "gradient",
)  # fmt: skip
def scan(call: Call) -> Value | tuple[Value, ...]:
    """A position depends on those before it."""
    value = call.tensor("self")
    place = call.axis(value, call.arg("dim"))
    mixed = mixed_over(call, "scan", value, [place])
    return (call.combine([value], value.axes, mixed),) * len(call.node.shapes)


@rule("renorm")
def renormalised(call: Call) -> Value:
    """Each position of an axis is scaled by the norm of all that it holds."""
    value = call.tensor("self")
    others = [place for place in range(len(call.shape)) if place != call.axis(value, call.arg("dim"))]
    return call.combine([value], value.axes, mixed_over(call, "reduction", value, others))


@rule("dist")
def distance(call: Call) -> Value:
    """One number for two tensors."""
    value, other = call.tensor("self"), call.tensor("other")
    mixed = mixed_over(call, "reduction", value, value.places())
    mixed |= mixed_over(call, "reduction", other, other.places(), "other")
    return call.combine([value, other], (), mixed)


@rule("isin")
def membership(call: Call) -> Value:
    """Whether each element is one of the others, wherever these stand."""
    value, others = call.tensor("elements"), call.value("test_elements")
    if others is None or not others.follows:
        return call.combine([value, *([] if others is None else [others])], value.axes)
    mixed = mixed_over(call, "reduction", others, others.places(), "test_elements")
    return call.combine([value, others], value.axes, mixed)


@rule("cdist_forward_self", "corrcoef", "cov")
def over_rows(call: Call) -> Value:
    """Statistics of rows against each other."""
    value = call.tensor("self")
    if not value.follows:
        return call.plain()
    return call.combine([value], None, mixed_over(call, "reduction", value, value.places()))


@rule(
    "unique", "_unique", "_unique2", "unique_consecutive", "unique_dim", "histc", "bincount", "histogram",
    "_histogramdd",
)  # fmt: skip
def collected(call: Call) -> tuple[Value, ...]:
    """The values that occur, of all samples together."""
    values = call.given()
    mixed = 0
    for ref, value in zip(call.refs(), values, strict=True):
        for place in value.places():
            assert value.axes is not None
            mixed |= call.mix("reduction", [value], ref, place, [value.axes[place]])
    return tuple(
        call.combine(values, tuple(plain_axis(length) for length in shape), mixed)
        for shape in call.node.shapes
    )
