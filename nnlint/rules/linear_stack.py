"""See rules/linear-stack.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import argument, constant
from nnlint.static.axes import Axis
from nnlint.static.flow import PASSIVE, Flow, following
from nnlint.static.layers import only_shown
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

LINEAR = "torch.nn.Linear"
# Layers of an `nn.Sequential` between two linear ones that leave the whole linear.
BETWEEN = frozenset({
    "torch.nn.Dropout", "torch.nn.Flatten", "torch.nn.Unflatten", "torch.nn.Identity",
    "torch.nn.AlphaDropout",
})  # fmt: skip
MESSAGE = (
    "{second} follows {first} with no non-linearity between: two linear layers in a row compute no more than "
    "one; put an activation such as nn.ReLU between, or drop one"
)


class LinearStack(Rule):
    words = ("Linear",)
    names_what_is_built = True

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for first, second, place in self._pairs(script):
            if place is None or id(place) in seen or not _widens(script, first, second):
                continue
            if only_shown(script, second):
                continue
            seen.add(id(place))
            names = [script.name_of(layer, "the layer") for layer in (first, second)]
            yield self.problem(
                place,
                MESSAGE.format(second=f"`{names[1]}`", first=f"`{names[0]}`"),
                related=((first.node, "the first of the two"),),
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.layers import linear_pairs

        for first, second in linear_pairs(step):
            names = [f"`{step.nodes[index].module}`" for index in (second, first)]
            yield Sighting(
                step.nodes[second].place,
                MESSAGE.format(second=names[0], first=names[1]),
                related=((step.nodes[first].place, "the first of the two"),),
            )

    def _pairs(self, script: ScriptModel) -> Iterator[tuple[Value, Value, cst.CSTNode | None]]:
        """Linear layers in a row, and where the second one is applied or stands."""
        for layer in script.calls_of(LINEAR):
            for item in following(layer):
                if item.op == LINEAR:
                    yield layer, item, item.node
                if item.op not in BETWEEN:
                    break
        for call in script.calls_of("linear"):
            before = _before(script.flow, call)
            if before is None or before.receiver is None or call.receiver is None:
                continue
            first, second = before.receiver, call.receiver
            if first is second or first.owner is None or first.owner is not second.owner:
                continue  # parts of two networks, or of two blocks: an interface
            if first.frame is second.frame and _function(before) is _function(call):
                yield first, second, call.node


def _function(call: Value) -> object:
    functions = call.frame.functions() if call.frame is not None else []
    return functions[0] if functions else None


def _before(flow: Flow, call: Value) -> Value | None:
    """The linear call whose result this one takes, and nothing else does."""
    taker, value = call, call.input
    for _ in range(8):
        if value is None or value.alts or value.result is not None or flow.only_taker(value) is not taker:
            return None
        if value.op == "linear":
            return value
        if value.op not in PASSIVE:
            return None
        taker, value = value, value.input
    return None


def _widens(script: ScriptModel, first: Value, second: Value) -> bool:
    """Whether the width between the two is surely no bottleneck: a factorisation is meant."""
    if first.op != LINEAR or second.op != LINEAR or constant(first, "bias", True) is not True:
        return False
    sizes = [
        argument(first, "in_features"),
        argument(first, "out_features"),
        argument(second, "out_features"),
    ]
    if any(size is None for size in sizes):
        return False
    before, between, after = (script.shapes.amount(size) for size in sizes if size is not None)
    return _at_least(between, before) or _at_least(between, after)


def _at_least(first: Axis, second: Axis) -> bool:
    """Whether the first size is surely not below the second."""
    if first == second:
        return True
    rest, other = list(first), list(second)
    for factor in second:
        if factor in rest:
            rest.remove(factor)
            other.remove(factor)
    number = 1
    for factor in rest:
        number *= factor if isinstance(factor, int) else 1
    least = 1
    for factor in other:
        if not isinstance(factor, int):
            return False
        least *= factor
    return number >= least
