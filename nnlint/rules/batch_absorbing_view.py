"""See rules/batch-absorbing-view.md."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Problem, Replacement, Rule, Sighting
from nnlint.static.axes import Axis, Factor, Shape, flat
from nnlint.static.rewrite import is_method
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel
    from nnlint.static.shapes import Shapes


class BatchAbsorbingView(Rule):
    words = ("view", "reshape")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls_of("view", "reshape"):
            found = script.shapes.view(call) if len(call.args) > 1 else None
            if found is None or call.node is None:
                continue
            source, target = found
            if len(target) != 2 or target[0] is not None or target[1] is None:
                continue
            width, text, shapes = target[1], script.text(call.node), script.shapes
            if _is_channel_axis(shapes, source, width):
                yield self.problem(
                    call.node,
                    f"`{text}` cuts rows of {shapes.describe(width)} out of memory that lies as "
                    f"{shapes.layout(source)}, so a row mixes positions instead of holding one axis; "
                    "permute that axis to the end first",
                )
            elif _splits_samples(source, width):
                yield self.problem(
                    call.node,
                    f"`{text}` makes rows of {shapes.describe(width)} numbers, but a sample is "
                    f"{shapes.layout(source[1:])}, so rows hold parts of several samples and -1 hides it in "
                    "the batch axis; keep that axis with flatten(1)",
                    fix=_flatten(script, call),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.across import crossings

        for crossing in crossings(step, self.page.name):
            node = step.nodes[crossing.node]
            (source, *_) = step.sources(crossing.node)
            before, after = step.shape(source), node.shapes[0]
            yield Sighting(
                node.place,
                f"`{step.spoken(crossing.node)}` makes {after[0]} rows of {prod(after[1:])} numbers, but "
                f"{step.called(source)} is {list(before)}, with axis 0 the batch, so rows hold parts of "
                "several samples and the batch axis hides it; keep that axis with flatten(1)",
                related=step.came_from(),
            )


def _is_channel_axis(shapes: Shapes, source: Shape, width: Axis) -> bool:
    """Whether the rows are as wide as an inner axis, with axes after it that are surely longer than 1."""
    if len(source) < 3 or not width or width not in source[1:-1] or width == source[-1]:
        return False
    after = flat(source[source.index(width) + 1 :])
    return bool(after) and all(_surely_long(shapes, factor) for factor in after)


def _surely_long(shapes: Shapes, factor: Factor) -> bool:
    if isinstance(factor, int):
        return factor > 1
    owner = shapes.raw.get(factor[1]) if factor[0] == "size" and isinstance(factor[1], int) else None
    return owner is not None and owner.op == "batch_item"


def _splits_samples(source: Shape, width: Axis) -> bool:
    """Whether a sample's size is known and no whole number of such rows makes it up."""
    inner = flat(source[1:])
    if len(source) < 2 or not inner or not all(isinstance(f, int) for f in inner):
        return False
    if len(width) != 1 or not isinstance(width[0], int) or any(isinstance(f, int) for f in source[0]):
        return False
    return prod(f for f in inner if isinstance(f, int)) % width[0] != 0


def _flatten(script: ScriptModel, call: Value) -> Draft | None:
    """`x.view(-1, K)` -> `x.flatten(1)`."""
    node = call.node
    if (
        not isinstance(node, cst.Call)
        or not is_method(script, node)
        or not isinstance(node.func, cst.Attribute)
    ):
        return None
    tensor = script.code(node.func.value)
    return Draft("keep the batch axis", (Replacement(node, f"{tensor}.flatten(1)"),))
