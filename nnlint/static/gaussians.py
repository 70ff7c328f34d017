"""Gaussian samples and densities: what a formula shows to be a variance, and what scales the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static.scores import surely
from nnlint.static.terms import (
    ADDS,
    SUBTRACTS,
    Term,
    exponent,
    identity,
    product,
    squared,
    terms,
)
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

NORMAL_NOISE = frozenset({"randn", "randn_like", "normal_"})
UNIFORM_NOISE = frozenset({"rand", "rand_like", "uniform_"})
_CLOSE = 1e-6


@dataclass(frozen=True)
class Density:
    """A formula in which `exp(log.factor * log.value)` is a variance, or `variance` itself is one."""

    log: Term | None
    call: Value
    what: str
    variance: Value | None = None


@dataclass(frozen=True)
class Sample:
    """`mean + noise * scale`: each factor of the noise's product is a scale."""

    call: Value
    noise: Value | None  # None: `Normal(mean, scale)`
    scales: tuple[Value, ...]
    factor: float = 1.0  # the number that the whole product has in front


def densities(script: ScriptModel) -> Iterator[Density]:
    """The Kullback-Leibler terms and Gaussian likelihoods that the file writes out."""
    for call in script.calls_of(*ADDS, *SUBTRACTS):
        found = terms(call)
        yield from _divergence(call, found)
        yield from _likelihood(call, found)


def _divergence(call: Value, found: list[Term]) -> Iterator[Density]:
    """`1 + v - mu**2 - exp(v)` or `1 + log(s) - mu**2 - s`: the slope is zero at v = 0, or at s = 1."""
    for term in found:
        power = exponent(term.value)
        mean = any(
            abs(other.factor - term.factor) < _CLOSE
            and squared(other.value) is not None
            and exponent(other.value) is None
            for other in found
        )
        if not mean or (power is not None and power.factor <= 0):
            continue
        if power is not None:
            linear = sum(other.factor for other in found if identity(other.value) == identity(power.value))
            if linear and abs(linear + term.factor * power.factor) < _CLOSE:
                yield Density(power, call, "the KL term")
        elif squared(term.value) is None:
            logs = sum(other.factor for other in found if _is_log_of(other.value, term.value))
            if logs and abs(logs + term.factor) < _CLOSE:
                yield Density(None, call, "the KL term", term.value)


def is_divergence(value: Value) -> bool:
    """Whether it is the KL term between a Gaussian and the standard normal, written out."""
    return any(_divergence(value, terms(value)))


def _is_log_of(value: Value, inner: Value) -> bool:
    return value.op == "log" and bool(value.args) and identity(value.args[0]) == identity(inner)


def _likelihood(call: Value, found: list[Term]) -> Iterator[Density]:
    """`v + (x - mu)**2 / exp(v)`."""
    for term in found:
        power, scale = _precision(term.value)
        if power is None or power.factor <= 0:
            continue
        linear = sum(other.factor for other in found if identity(other.value) == identity(power.value))
        if linear and abs(linear - term.factor * scale * power.factor) < _CLOSE:
            yield Density(power, call, "the likelihood")


def _precision(value: Value) -> tuple[Term | None, float]:
    """`c * (x - mu)**2 / exp(k * v)`: the term k * v, and c."""
    scale, above, below = product(value)
    power: Term | None = None
    whole = False
    for part in above:
        inner = squared(part)
        if inner is not None:
            whole = True
            for divisor in product(inner)[2]:  # ((x - mu) / exp(s))**2
                power = _times(2, exponent(divisor)) or power
        else:
            power = _times(-1, exponent(part)) or power
    for part in below:
        power = exponent(part) or power
    return (power if whole else None), scale


def _times(factor: float, term: Term | None) -> Term | None:
    return Term(factor * term.factor, term.value) if term is not None else None


def samples(script: ScriptModel) -> Iterator[Sample]:
    """Every place that shifts and scales noise, or names the scale of a normal distribution."""
    for call in script.calls_of(*ADDS):
        for term in terms(call):
            factor, parts, _ = product(term.value)
            noise = next((part for part in parts if is_noise(part, NORMAL_NOISE | UNIFORM_NOISE)), None)
            if noise is not None and len(parts) > 1:
                scales = tuple(part for part in parts if part is not noise)
                yield Sample(call, noise, scales, factor * term.factor)
    for call in script.calls_of("addcmul", "addcmul_"):
        for noise, scale in (call.args[1:3], call.args[2:0:-1]) if len(call.args) == 3 else ():
            if is_noise(noise, NORMAL_NOISE | UNIFORM_NOISE):
                yield Sample(call, noise, (scale,))
    for call in script.calls_of("torch.distributions.Normal", "torch.distributions.normal.Normal", "normal"):
        spread = call.args[1] if len(call.args) > 1 else call.kwargs.get("scale", call.kwargs.get("std"))
        if spread is not None:
            yield Sample(call, None, (spread,))


def is_noise(value: Value, kinds: frozenset[str]) -> bool:
    return bool(surely(value, lambda part: part.op in kinds, LOOK_THROUGH))
