"""Hand-written attention: softmax(q @ k.T) @ v, and by what its scores are scaled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from nnlint.static.scores import SAME_SCALE
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

TRANSPOSES = frozenset({"t", "transpose", "permute", "movedim"})
PASSES = SAME_SCALE | {"dropout", "masked_fill", "masked_fill_", "clamp"}
PRODUCTS = frozenset({"matmul", "einsum"})
ROOTS = frozenset({"sqrt", "math.sqrt", "numpy.sqrt"})
POWERS = frozenset({"pow", "numpy.power", "math.pow"})
NUMBERS = frozenset({
    "float", "tensor", "as_tensor", "torch.Tensor", "torch.FloatTensor", "builtins.float", "to", "cuda",
})  # fmt: skip
# A factor of its own, not the size that it is made of.
_SCALE = re.compile(r"scale|temp|tau|beta", re.I)
_DEEPEST = 60


@dataclass(frozen=True)
class Factor:
    """`base ** exponent`, put into the scores by `call`; `base` is None where that is not known."""

    call: Value
    base: Value | None
    exponent: float


@dataclass(frozen=True)
class Attention:
    """`softmax(product)`, weighting values; `factors` scale the product or one of its sides."""

    softmax: Value
    product: Value
    query: Value
    factors: tuple[Factor, ...]


def attentions(script: ScriptModel) -> Iterator[Attention]:
    """The attention that the file writes out."""
    weights = {id(call): call for call in script.calls_of("softmax") if call.args}
    used: set[int] = set()
    scores = _Scores()
    for product in script.calls_of(*PRODUCTS):
        for side in product.args:
            used.update(id(part) for part in side.sources(PASSES) if id(part) in weights)
    for key, softmax in weights.items():
        found = scores.of(softmax.args[0]) if key in used else None
        if found is None:
            continue
        product, factors = found
        sides = _sides(product)
        if sides is not None:
            scaled = [factor for side in sides for factor in scaling(side)]
            yield Attention(softmax, product, sides[0], (*factors, *scaled))


def scaling(value: Value) -> list[Factor]:
    """How a query or key was scaled on the way from what makes it."""
    factors: list[Factor] = []
    for _ in range(_DEEPEST):
        parts = [part for part in value.alternatives() if not part.is_const(None)]
        if value.alts and len(parts) == 1:
            value = parts[0]
        elif value.result is not None:
            value = value.result
        elif value.alts or not value.args:
            break
        elif value.op in SAME_SCALE or value.op == "dropout":
            value = value.args[0]
        elif value.op in {"mul", "div"} and len(value.args) == 2:
            first, second = value.args
            if value.op == "mul" and first.kind is not Kind.TENSOR and second.kind is Kind.TENSOR:
                first, second = second, first
            if second.kind is Kind.TENSOR and root(second, 1.0)[0] is None:
                break  # a gate, a norm
            factors.append(_factor(value, second))
            value = first
        else:
            break
    return factors


def normalised(query: Value) -> bool:
    """Whether a query was brought to length 1: its products are cosines, which want a larger scale."""

    def unit(value: Value) -> bool:
        by_norm = value.op == "div" and len(value.args) == 2 and value.args[1].op == "norm"
        return by_norm or value.op == "normalize"

    on = PASSES | TRANSPOSES | {"mul", "div"}
    return any(unit(part) for part in query.sources(lambda value: value.op in on and not unit(value)))


_Found: TypeAlias = "tuple[Value, tuple[Factor, ...]] | None"


class _Scores:
    """The product behind scores, and the factors between; None where that is not clear.

    Each value is looked at once: masks under one test after another would double the ways to it each time.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Found] = {}

    def of(self, value: Value, depth: int = 0) -> _Found:
        if id(value) not in self._known:
            self._known[id(value)] = None  # for a loop that comes back here
            self._known[id(value)] = self._read(value, depth) if depth <= _DEEPEST else None
        return self._known[id(value)]

    def _read(self, value: Value, depth: int) -> _Found:
        if value.alts:
            found = {self.of(part, depth + 1) for part in value.alternatives() if not part.is_const(None)}
            return found.pop() if len(found) == 1 else None
        if value.result is not None:
            return self.of(value.result, depth + 1)
        if value.op in PRODUCTS:
            return value, ()
        if value.op in PASSES and value.args:
            return self.of(value.args[0], depth + 1)
        if value.op == "where" and len(value.args) == 3:
            return _one([self.of(part, depth + 1) for part in value.args[1:]])
        if value.op in {"add", "sub"} and len(value.args) == 2:
            return _one([self.of(part, depth + 1) for part in value.args])
        if value.op in {"mul", "div"} and len(value.args) == 2:
            for scores, factor in (value.args, value.args[::-1])[: 1 if value.op == "div" else 2]:
                found_here = self.of(scores, depth + 1)
                if found_here is not None:
                    return found_here[0], (*found_here[1], _factor(value, factor))
        return None


def _one(found: list[_Found]) -> _Found:
    """The only term that is a product; a bias and a mask are none."""
    known = [item for item in found if item is not None]
    return known[0] if len(known) == 1 else None


def _sides(product: Value) -> tuple[Value, Value] | None:
    """Query and key, where their last axes are contracted."""
    if product.op == "einsum":
        pattern = product.args[0].const if len(product.args) == 3 else None
        if not isinstance(pattern, str) or "->" not in pattern:
            return None
        inputs, result = pattern.replace(" ", "").split("->")
        first, _, second = inputs.partition(",")
        same_last = first and second and first[-1] == second[-1] and first[-1] not in result
        return (product.args[1], product.args[2]) if same_last else None
    if len(product.args) != 2 or not _turned(product.args[1]):
        return None
    return product.args[0], product.args[1]


def _turned(value: Value) -> bool:
    """Whether the last operation that matters is a transposition."""
    for _ in range(_DEEPEST):
        if value.op in TRANSPOSES:
            return True
        if value.op not in SAME_SCALE | {"mul", "div"} or not value.args:
            return False
        value = value.args[0]
    return False


def _factor(call: Value, value: Value) -> Factor:
    base, exponent = root(value, 1.0)
    return Factor(call, base, -exponent if call.op == "div" else exponent)


def root(value: Value, exponent: float) -> tuple[Value | None, float]:
    """`sqrt(d)`, `d ** -0.5`, `1 / math.sqrt(d)`: the base and its power; no base where it is no root."""
    for _ in range(_DEEPEST):
        if value.alts:
            return None, 0.0
        if value.op in ROOTS | {"rsqrt"} and value.args:
            exponent *= -0.5 if value.op == "rsqrt" else 0.5
            value = _number(value.args[0])
            # Query and key may each be scaled by the fourth root.
            if value.op not in ROOTS | {"rsqrt"}:
                return value, exponent
            continue
        if value.op in POWERS and len(value.args) == 2:
            power = value.args[1].const
            if type(power) not in (int, float):
                return None, 0.0
            value, exponent = value.args[0], exponent * power
            if value.op not in ROOTS | POWERS | {"div", "rsqrt"}:
                return (None, 0.0) if _SCALE.search(value.name) else (_number(value), exponent)
        elif value.op in {"div", "floor_divide"} and len(value.args) == 2 and value.args[0].is_const(1, 1.0):
            value, exponent = value.args[1], -exponent
        elif value.op in NUMBERS and value.args:
            value = value.args[0]
        else:
            break
    return None, 0.0


def _number(value: Value) -> Value:
    """The number itself, without casts to float and wrapping tensors."""
    for _ in range(_DEEPEST):
        wrapped = value.op in NUMBERS or (value.kind is Kind.SEQUENCE and len(value.args) == 1)
        if wrapped and value.args:
            value = value.args[0]
        else:
            break
    return value
