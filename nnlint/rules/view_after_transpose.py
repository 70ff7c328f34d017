"""See rules/view-after-transpose.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.axes import Axis, flat, shuffle
from nnlint.static.lineage import reachable
from nnlint.static.shapes import POINTWISE, origin
from nnlint.static.values import Event, EventKind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

MOVES = frozenset({"transpose", "permute", "t", "movedim"})
POINTWISE_LOSSES = frozenset(
    {
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
    }
)


class ViewAfterTranspose(Rule):
    words = ("view", "reshape", "transpose", "permute")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        shifted = set(_shifted(script))
        for call in script.calls_of("view", "reshape"):
            if len(call.args) > 1 and call.node is not None and id(call) not in shifted:
                yield from self._view(script, call)
        for loss in script.losses:
            if loss.call.op in POINTWISE_LOSSES and len(loss.call.args) > 1:
                yield from self._loss(script, loss)

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.across import crossings

        for crossing in crossings(step, self.page.name):
            node = step.nodes[crossing.node]
            source = step.sources(crossing.node)[0]
            yield Sighting(
                node.place,
                f"`{step.spoken(crossing.node)}` cuts {step.called(source)} of shape "
                f"{list(step.shape(source))} into {list(node.shapes[0])}, and through the batch axis: "
                "rows of the "
                "result hold pieces of several samples; move the axes with `transpose` or `permute` first",
                related=step.came_from(),
            )

    def _view(self, script: ScriptModel, call: Value) -> Iterator[Problem]:
        shapes = script.shapes
        found = shapes.view(call)
        if found is None:
            return
        source, target = found
        if _merges_all_but_last(target):
            return  # `view(-1, K)` is batch-absorbing-view
        move = _move(call.args[0])
        if move is not None and _regroups(move, call):
            return
        wrong = shuffle(source, target, move is not None)
        if wrong is None or call.node is None:
            return
        if all(isinstance(factor, int) for factor in (wrong.taken, *wrong.skipped)) and not _learnt_from(
            script, call
        ):
            return
        taken, skipped = shapes.describe((wrong.taken,)), shapes.describe(wrong.skipped)
        order = (
            f"axis {taken} where {skipped} comes first"
            if "…" not in taken + skipped
            else "the axes out of order"
        )
        name = script.name_of(call.args[0], "the tensor")
        yield self.problem(
            call.node,
            f"`{script.text(call.node)}` names {order}: `{name}` lies in memory as {shapes.layout(source)}, "
            f"and {call.op} does not move elements, so values of different positions are mixed; transpose "
            "or permute first",
            related=((move.node, "the axes are moved here"),)
            if move is not None and move.node is not None
            else (),
        )

    def _loss(self, script: ScriptModel, loss: Event) -> Iterator[Problem]:
        first, second = (script.shapes.of(arg) for arg in loss.call.args[:2])
        if first is None or second is None or len(first) < 2 or loss.call.node is None:
            return
        if first == second or not _same_axes(first, second):
            return
        left, right = (script.name_of(arg, "the operand") for arg in loss.call.args[:2])
        layouts = f"{script.shapes.layout(first)} against {script.shapes.layout(second)}"
        yield self.problem(
            loss.call.node,
            f"the axes of `{left}` and `{right}` do not correspond ({layouts}), so each element is compared "
            "with the target of another one; permute one of them",
        )


def _learnt_from(script: ScriptModel, call: Value) -> bool:
    """Whether a model or a loss is given it. Else plain numbers are the sizes of an example, not of axes."""
    users = (*script.events_of(EventKind.FORWARD), *script.losses)
    return id(call) in reachable(
        value for event in users for value in (*event.call.args, *event.call.kwargs.values())
    )


def _shifted(script: ScriptModel) -> Iterator[int]:
    """Views whose first row is sliced off: the relative shift of Transformer-XL, shuffled on purpose."""
    sliced = [call.args[0] for call in script.calls_of("view", "reshape") if call.args]
    sliced.extend(fact.value for fact in script.facts)
    for value in sliced:
        if value.op == "getitem" and any(
            index.op == "slice" and index.args[0].is_const(1) for index in value.args[1:]
        ):
            yield id(value.args[0])


def _regroups(move: Value, call: Value) -> bool:
    """Whether the view takes an axis back together that was split for the move, as where channels are
    interleaved: `w.view(h, 2, d // h // 2, k).transpose(1, 2).reshape(d, k)`."""
    split = origin(move.args[0]) if move.args else move
    if split.op not in {"view", "reshape"}:
        return False
    divided = [part for size in split.args[1:] for part in size.graph() if part.op == "floor_divide"]
    whole = {id(origin(part.args[0])) for part in divided if part.args}
    return any(id(origin(size)) in whole for size in call.args[1:])


def _merges_all_but_last(target: list[Axis | None]) -> bool:
    return len(target) == 2 and target[0] is None


def _same_axes(first: tuple[Axis, ...], second: tuple[Axis, ...]) -> bool:
    """The same axes in another order: all symbols, so that no constant can coincide."""
    left, right = flat(first), flat(second)
    return (
        set(left) == set(right)
        and len(left) == len(right) > 1
        and left != right
        and len(set(left)) == len(left)
    )


def _move(value: Value) -> Value | None:
    """The transpose or permute that a view works on, behind contiguous() and pointwise operations."""
    for _ in range(20):
        value = origin(value)
        if value.op in MOVES:
            return value
        if value.op not in POINTWISE or not value.args:
            return None
        value = value.args[0]
    return None
