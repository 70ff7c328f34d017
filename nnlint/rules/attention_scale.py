"""See rules/attention-scale.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.attention import Attention, attentions, normalised, scaling
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.axes import Axis, Shape
    from nnlint.static.model import ScriptModel

MULTIPLIED = (
    "the scores are multiplied by the root of {what}, where attention divides by it, so softmax puts all "
    "weight on one position and its gradient vanishes; divide instead"
)
# Numbers in a recorded step are as exact as float32, and below this width roots are too near to 1 to tell.
TOLERANCE = 1e-3
SMALL = 3


class AttentionScale(Rule):
    words = ("softmax", "Softmax", "scaled_dot_product_attention")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for found in attentions(script):
            yield from self._judge(script, found)
        for call in script.calls_of("scaled_dot_product_attention"):
            if call.args and call.node is not None and not {"scale", "**"} & call.kwargs.keys():
                for factor in scaling(call.args[0]):
                    if factor.base is not None and factor.exponent == -0.5 and factor.call.node is not None:
                        yield self.problem(
                            factor.call.node,
                            f"`{script.text(factor.call.node, 50)}` scales the query, and "
                            f"`scaled_dot_product_attention` divides by the same root again, so attention is "
                            f"nearly uniform; leave one of them out, or pass `scale=1.0`",
                            related=((call.node, "scaled again here"),),
                        )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import attention

        for found in attention.attentions(step):
            if found.scaled is None or found.width < SMALL:
                continue
            place, root = step.nodes[found.scaled].place, math.sqrt(found.width)
            other = found.factor**-2
            if math.isclose(found.factor, root, rel_tol=TOLERANCE):
                yield Sighting(place, MULTIPLIED.format(what=f"{found.width} ({root:.3g})"))
            elif _is_multiple(other, found.width):
                yield Sighting(
                    place,
                    f"the scores are divided by the root of {round(other)}, but each is a sum over "
                    f"{found.width} products; divide by the root of that",
                    severity=Severity.INFO,
                )
        for found in attention.fused(step):
            near = math.isclose(found.factor, found.width**-0.5, rel_tol=TOLERANCE)
            if found.scaled is not None and found.width >= SMALL and near:
                yield Sighting(
                    step.nodes[found.scaled].place,
                    f"this scales the query by {found.factor:.3g}, and `scaled_dot_product_attention` "
                    "divides by the same root again, so attention is nearly uniform; leave one of them "
                    "out, or pass `scale=1.0`",
                )

    def _judge(self, script: ScriptModel, found: Attention) -> Iterator[Problem]:
        place = found.factors[0].call.node if found.factors else None
        bases = [factor.base for factor in found.factors if factor.base is not None]
        if place is None or not bases or len(bases) != len(found.factors) or _changed(script, found):
            return
        sizes = {script.shapes.amount(base) for base in bases}
        power = sum(factor.exponent for factor in found.factors)
        if len(sizes) != 1:
            return
        (size,) = sizes
        name = script.name_of(bases[0], "its width")
        if power >= 0.5 and not normalised(found.query) and _is_width(bases[0]):
            yield self.problem(
                place,
                MULTIPLIED.format(what=f"`{name}`"),
            )
        elif power == -1.0 and len(bases) == 2:
            yield self.problem(
                place,
                f"the scores are divided by the root of `{name}` twice, so the weights are nearly equal "
                f"everywhere; divide once",
            )
        elif power == -0.5:
            width = script.shapes.last(found.query)
            if width is not None and _differs(size, width, script.shapes.of(found.query)):
                yield self.problem(
                    place,
                    f"the scores are divided by the root of `{name}`, but each is a sum over "
                    f"{script.shapes.describe(width)} products; divide by the root of that",
                    severity=Severity.INFO,
                )


def _is_width(base: Value) -> bool:
    """Whether it may be a number of features: the root of 0.5 scales a sum of two."""
    numbers = [part.const for part in base.graph() if isinstance(part.const, (int, float))]
    return not numbers or max(numbers) >= SMALL or base.kind is Kind.SIZE


def _is_multiple(size: float, width: int) -> bool:
    """Whether a size is the width of several heads. Its square is not: some divide by the width itself."""
    whole = round(size)
    return (
        whole > width
        and whole % width == 0
        and whole != width**2
        and math.isclose(size, whole, rel_tol=TOLERANCE)
    )


def _changed(script: ScriptModel, found: Attention) -> bool:
    """Whether the scores are scaled in place as well: `scores.mul_(scale)`."""
    return any(
        id(call.args[0]) in {id(found.product), *(id(factor.call) for factor in found.factors)}
        for call in script.calls_of("mul_", "div_")
        if call.args
    )


def _differs(size: Axis, width: Axis, shape: Shape | None) -> bool:
    """Whether a size is surely not the width of a query: the width of all heads together, another axis."""
    if size == width:
        return False
    if all(isinstance(factor, int) for factor in (*size, *width)):
        return prod(size) != prod(width)
    if any(isinstance(part, tuple) and part[0] == "//" and part[1] in (size, *size) for part in width):
        return True
    return shape is not None and size in shape[:-1] and size != ()
