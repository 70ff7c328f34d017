"""Operators on corresponding elements, with broadcasting."""

from __future__ import annotations

from nnlint.graph.axes import Value, plain
from nnlint.graph.call import Call
from nnlint.graph.operators.registry import rule

ELEMENTWISE = """
    _add_relu _conj_physical _masked_scale _prelu_kernel _standard_gamma abs absolute acos acosh add
    addcdiv addcmul alpha_dropout angle arccos arccosh arctan2 asin asinh atan atan2 atanh bernoulli
    binomial bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
    bucketize cauchy ceil celu clamp clamp_max clamp_min clip complex conj_physical copysign cos cosh
    deg2rad dequantize digamma div divide dropout elu eq erf erfc erfinv exp exp2 expm1 exponential
    fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask feature_dropout fix
    float_power floor fmax fmin fmod frac frexp gcd ge gelu geometric gt hardshrink hardsigmoid hardswish
    hardtanh heaviside hypot i0 i0e i1 i1e igamma igammac ilshift imag irshift isclose isfinite isinf
    isnan isneginf isposinf isreal lcm ldexp le leaky_relu lerp lgamma log log10 log1p log2 log_normal
    log_sigmoid log_sigmoid_forward logaddexp logaddexp2 logical_and logical_not logical_or logical_xor
    logit lshift lt masked_fill maximum minimum mish mul multiply mvlgamma nan_to_num native_dropout ne
    neg negative nextafter normal normal_functional poisson polar polygamma positive pow prelu
    quantize_per_tensor rad2deg real reciprocal relu relu6 remainder round rrelu rrelu_with_noise
    rrelu_with_noise_functional rshift rsqrt rsub searchsorted selu sgn sigmoid sign signbit silu sin sinc
    sinh softplus softshrink special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0
    special_bessel_y1 special_chebyshev_polynomial_t special_chebyshev_polynomial_u
    special_chebyshev_polynomial_v special_chebyshev_polynomial_w special_digamma special_entr special_erf
    special_erfc special_erfcx special_erfinv special_exp2 special_expit special_expm1 special_gammainc
    special_gammaincc special_gammaln special_hermite_polynomial_h special_hermite_polynomial_he
    special_i0 special_i0e special_i1 special_i1e special_laguerre_polynomial_l
    special_legendre_polynomial_p special_log1p special_log_ndtr special_logit special_modified_bessel_i0
    special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 special_multigammaln
    special_ndtr special_ndtri special_polygamma special_psi special_round
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1
    special_shifted_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_u
    special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w special_sinc
    special_spherical_bessel_j0 special_xlog1py special_xlogy special_zeta sqrt square sub subtract tan
    tanh threshold true_divide trunc where xlogy zeta
"""


@rule(*ELEMENTWISE.split())
def pointwise(call: Call) -> tuple[Value, ...]:
    """Elements stay where they are."""
    if (
        call.name == "where"
        and call.arg("other") is None
        and call.arg("input") is None
        and len(call.refs()) == 1
    ):
        raise LookupError("where with one argument")
    values = [value for value in call.given() if value.axes is not None]
    results: list[Value] = []
    for shape in call.node.shapes:
        if results and shape == call.node.shapes[0]:
            results.append(results[0])
        elif shape and shape != (0,):
            results.append(call.pointwise(values, shape))
        elif all(not value.axes for value in values):
            results.append(call.combine(values, ()))
        else:
            results.append(Value(plain(shape)))
    return tuple(results)


@rule(
    "clone", "detach", "alias", "contiguous", "_to_copy", "to", "lift", "lift_fresh", "lift_fresh_copy",
    "detach_copy", "alias_copy", "_conj", "_neg_view", "resolve_conj", "resolve_neg", "fill_diagonal_like",
    "_autocast_to_full_precision", "_autocast_to_reduced_precision", "pin_memory", "_pin_memory", "data",
    always=True,
)  # fmt: skip
def same_numbers(call: Call) -> Value:
    """A copy, or another type."""
    return call.tensor("self")


@rule("copy", always=True)
def copied(call: Call) -> Value:
    """`x.copy_(y)`: what was in x is gone."""
    source = call.tensor("src")
    if source.axes is not None and call.shape_of("src") == call.shape:
        return source
    return call.pointwise([source])


@rule("fill", always=True)
def filled(call: Call) -> Value:
    """One number everywhere."""
    value = call.value("value")
    return call.pointwise([value]) if value is not None else Value(plain(call.shape))


@rule("view_as_real", "view_as_complex")
def complex_view(call: Call) -> Value:
    """The last axis is real and imaginary part."""
    value = call.tensor("self")
    axes = call.axes("self")
    return value.with_axes((*axes, *plain((2,))) if call.name == "view_as_real" else axes[:-1])


@rule("glu")
def gated(call: Call) -> Value:
    """Half of an axis gates the other half."""
    value = call.tensor("self")
    place = call.axis(value, call.arg("dim"))
    axes = list(call.axes("self"))
    mixed = 0
    if any(factor.source is not None for factor in axes[place]):
        mixed = call.mix("selection", [value], "self", place, [axes[place]])
    axes[place] = plain((call.shape[place],))[0]
    return call.combine([value], tuple(axes), mixed)


@rule("_local_scalar_dense", "item", "equal", "is_nonzero", "is_same_size", "_assert_async", "sym_size")
def handed_to_python(_: Call) -> Value:
    """No tensor comes of it."""
    return Value(())
