"""Matrix products and what else contracts an axis."""

from __future__ import annotations

from nnlint.graph.axes import Axes, Axis, Value, align, carries, plain, size
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.registry import rule


def contraction(call: Call, first: tuple[str, Value, int], second: tuple[str, Value, int]) -> int:
    """The bit of the mixing, if an axis that is summed over numbers samples; 0 otherwise."""
    mixed = 0
    sides = []
    for name, value, place in (first, second):
        assert value.axes is not None
        axis = value.axes[place]
        if carries(axis):
            sides.append((name, value, place, axis))
    if sides:
        name, value, place, axis = sides[0]
        # The samples were scored against each other before: the weights of an attention.
        kind = "attention" if len(value.places()) > 1 else "contraction"
        mixed = call.mix(kind, [first[1], second[1]], name, place, [side[3] for side in sides])
    return mixed


def product(call: Call, left: tuple[str, Value], right: tuple[str, Value], others: list[Value]) -> Value:
    """`left @ right` with as many leading axes as both have; `others` are added."""
    (left_name, first), (right_name, second) = left, right
    assert first.axes is not None
    assert second.axes is not None
    mixed = contraction(
        call, (left_name, first, len(first.axes) - 1), (right_name, second, len(second.axes) - 2)
    )
    lead: list[Axis] = []
    for place, length in enumerate(call.shape[:-2]):
        both = align([(first.axes[place],), (second.axes[place],)], (length,))
        for clash in both.clashes:
            bit = call.clash(clash._replace(place=place), [first, second])
            if bit is None:
                return UNKNOWN
            mixed |= bit
        lead.append(both.axes[0])
    axes = (*lead, first.axes[-2], second.axes[-1])
    places = [place for place, axis in enumerate(axes) if carries(axis)]
    if len(places) > 1:
        _meet(call, axes, first, second)
    result = call.combine([first, second], axes, mixed)
    return call.pointwise([result, *others]) if others else result


def _meet(call: Call, axes: Axes, first: Value, second: Value) -> None:
    """Rows of one side against columns of the other."""
    had = {place for place in first.places() if place < len(axes) - 1}
    added = {place for place in second.places() if place != len(axes) - 2}
    if had - added and added - had:
        call.meeting("product", axes)


@rule("mm", "bmm", "matmul")
def matrix_product(call: Call) -> Value:
    """Rows of the first with columns of the second."""
    other = "other" if call.name == "matmul" else "mat2"
    first, second = call.tensor("self"), call.tensor(other)
    if len(first.axes or ()) != len(second.axes or ()) or len(first.axes or ()) < 2:
        raise LookupError("a vector, or ranks that differ")
    return product(call, ("self", first), (other, second), [])


@rule("addmm", "baddbmm", "_addmm_activation")
def sum_and_product(call: Call) -> Value:
    """A matrix product and what is added to it."""
    names = ("mat1", "mat2") if "addmm" in call.name else ("batch1", "batch2")
    return product(
        call, (names[0], call.tensor(names[0])), (names[1], call.tensor(names[1])), [call.tensor("self")]
    )


@rule("mv", "dot", "vdot", "inner", "addmv")
def vector_product(call: Call) -> Value:
    """Each row with a vector."""
    names = ("mat", "vec") if call.name == "addmv" else ("self", "vec" if call.name == "mv" else "tensor")
    if call.name == "vdot":
        names = ("self", "other")
    first, second = call.tensor(names[0]), call.tensor(names[1])
    assert first.axes is not None
    mixed = contraction(call, (names[0], first, len(first.axes) - 1), (names[1], second, 0))
    result = call.combine([first, second], first.axes[:-1], mixed)
    return call.pointwise([result, call.tensor("self")]) if call.name == "addmv" else result


@rule("outer", "ger", "addr")
def outer(call: Call) -> Value:
    """All pairs."""
    names = ("vec1", "vec2") if call.name == "addr" else ("self", "vec2")
    first, second = call.tensor(names[0]), call.tensor(names[1])
    axes = (*call.axes(names[0]), *call.axes(names[1]))
    if first.follows and second.follows:
        call.meeting("product", axes)
    return call.combine([first, second], axes)


@rule("linear", "_linear")
def linear(call: Call) -> Value:
    """The last axis against the weights'."""
    value, weight = call.tensor("input", "self"), call.tensor("weight")
    axes, rows = call.axes("input", "self"), call.axes("weight")
    mixed = contraction(call, ("input", value, len(axes) - 1), ("weight", weight, len(rows) - 1))
    result = call.combine([value, weight], (*axes[:-1], *rows[:-1]), mixed)
    bias = call.value("bias")
    return call.pointwise([result, bias]) if bias is not None else result


@rule("_trilinear", "bilinear")
def trilinear(call: Call) -> Value:
    """What nn.Bilinear does: each of three with axes of size 1 where it has none, and sums over some."""
    names, expands = ("i1", "i2", "i3"), ("expand1", "expand2", "expand3")
    values, wide = [], []
    for name, expand in zip(names, expands, strict=True):
        value = call.tensor(name)
        axes = list(call.axes(name))
        for place in sorted(call.arg(expand)):
            axes.insert(place, ())
        values.append(value)
        wide.append(tuple(axes))
    shape = tuple(max(size(axes[place]) for axes in wide) for place in range(len(wide[0])))
    whole = call.pointwise([value.with_axes(axes) for value, axes in zip(values, wide, strict=True)], shape)
    assert whole.axes is not None
    gone = {place % len(shape) for place in call.arg("sumdim")}
    if any(carries(whole.axes[place]) for place in gone):
        return call.combine([whole], None, call.mix("contraction", values, "i1"))
    return whole.with_axes(tuple(axis for place, axis in enumerate(whole.axes) if place not in gone))


@rule("_cdist_forward", "cdist", "_euclidean_dist")
def distances(call: Call) -> Value:
    """Rows of the first against rows of the second."""
    first, second = call.tensor("x1"), call.tensor("x2")
    one, other = call.axes("x1"), call.axes("x2")
    turned = second.with_axes((*other[:-2], other[-1], other[-2]))
    if len(one) != len(other):
        raise LookupError("leading axes that differ")
    return product(call, ("x1", first), ("x2", turned), [])


@rule("_pdist_forward", "pdist")
def own_distances(call: Call) -> Value:
    """Rows against each other, in one list."""
    value = call.tensor("self")
    if not value.follows:
        return call.plain()
    return call.combine([value], None, call.mix("interleaved", [value], "self", 0, call.axes("self")[:1]))


@rule("linalg_cross", "cross", "cosine_similarity", "pairwise_distance")
def along_vectors(call: Call) -> Value:
    """One axis holds vectors; the others are aligned."""
    first, second = call.tensor("self", "x1"), call.tensor("other", "x2")
    dim = call.arg("dim")
    shape = call.shape if "cross" in call.name else None
    if shape is None:
        raise LookupError(call.name)
    result = call.pointwise([first, second], shape)
    assert result.axes is not None
    place = (-1 if dim is None else dim) % len(shape)
    if carries(result.axes[place]):
        return call.combine(
            [result], None, call.mix("contraction", [result], "self", place, [result.axes[place]])
        )
    return result


@rule(
    "linalg_inv_ex", "linalg_inv", "inverse", "linalg_svd", "_linalg_svd", "linalg_eigh", "_linalg_eigh",
    "linalg_qr", "linalg_cholesky_ex", "cholesky", "_linalg_det", "linalg_det", "_linalg_slogdet",
    "linalg_slogdet", "linalg_matrix_exp", "_linalg_solve_ex", "linalg_solve_triangular",
    "triangular_solve", "linalg_lu_factor_ex", "linalg_eig", "cholesky_inverse", "cholesky_solve",
    "linalg_pinv", "linalg_matrix_power", "linalg_lu", "lu_unpack", "linalg_lu_factor", "linalg_lu_solve",
    "linalg_ldl_factor", "linalg_ldl_factor_ex", "linalg_ldl_solve", "linalg_eigvals", "_linalg_eigvals",
    "linalg_eigvalsh", "linalg_svdvals", "linalg_householder_product", "linalg_cholesky", "linalg_solve",
    "linalg_solve_ex", "geqrf", "ormqr", "_cholesky_solve_helper",
)  # fmt: skip
def of_matrices(call: Call) -> tuple[Value, ...]:
    """Each matrix by itself; the leading axes stay."""
    values = call.given()
    results = []
    mixed = 0
    for ref, value in zip(call.refs(), values, strict=True):
        assert value.axes is not None
        for place in range(max(len(value.axes) - 2, 0), len(value.axes)):
            if carries(value.axes[place]) and not mixed:
                mixed = call.mix("transform", values, ref, place, [value.axes[place]])
    rank = max(len(value.axes or ()) for value in values)
    for shape in call.node.shapes:
        lead = rank - 2
        axes: Axes = plain(shape)
        if len(shape) >= lead > 0:
            heads = [
                value.axes[:lead] for value in values if value.axes is not None and len(value.axes) == rank
            ]
            axes = (*align(heads, shape[:lead]).axes, *plain(shape[lead:]))
        results.append(call.combine(values, axes, mixed))
    return tuple(results)
