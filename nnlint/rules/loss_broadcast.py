"""See rules/loss-broadcast.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static import torch_api
from nnlint.static.arguments import surely_absent
from nnlint.static.axes import Axis, Shape
from nnlint.static.columns import COLUMN, VECTOR, Columns
from nnlint.static.picks import best, picked, same_network
from nnlint.static.samples import batch_axis
from nnlint.static.scores import losses_of, network_inside
from nnlint.static.shapes import BINARY, POINTWISE, origin
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.capture.plan import Continuation, Criterion
    from nnlint.capture.supervise import Capture
    from nnlint.graph.call import Meeting
    from nnlint.graph.nodes import Ref
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# The losses that take any two shapes that broadcast.
TAKE_ANY = (
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "gaussian_nll_loss",
    "soft_margin_loss",
)  # fmt: skip
MEETS = frozenset({"sub", "mul", "div"})
SAME_NUMBERS = torch_api.LOOK_THROUGH | {"getitem", "detach", "data"}
DEEPEST = 8


class LossBroadcast(Rule):
    words = ("loss", "Loss", "mean(", "sum(")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.loops import LATER

        return (LATER,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        columns = Columns(script)
        seen: set[int] = set()
        for loss in losses_of(script, *TAKE_ANY):
            if loss.target is not None and id(loss.node) not in seen:
                forms = _forms(script, columns, loss.prediction, loss.target, strict=False)
                if forms is not None:
                    seen.add(id(loss.node))
                    yield self._problem(script, loss.node, loss.prediction, loss.target, forms)
        for first, second, node in _written_out(script):
            if id(node) not in seen and _can_be_a_loss(first, second):
                forms = _forms(script, columns, first, second, strict=True)
                if forms is not None:
                    seen.add(id(node))
                    yield self._problem(script, node, first, second, forms)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        for criterion in (criterion for step in seen.first_steps for criterion in step.criteria):
            if criterion.name in TAKE_ANY and _blows_up(criterion):
                prediction, target = list(criterion.prediction), list(criterion.target)
                yield Sighting(
                    criterion.place,
                    f"the prediction is {prediction} and the target is {target}: they broadcast, so each "
                    "sample's prediction is compared with every other sample's target and the model learns "
                    "their mean; give both one shape, as in `prediction.squeeze(1)` or `target.unsqueeze(1)`",
                    evidence={"prediction": prediction, "target": target},
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.sizes import sizes

        for meeting in step.meetings:
            if meeting.node not in step.before_loss or meeting.node in step.before_prediction:
                continue
            sides = _sides(step, meeting)
            if sides is None:
                continue
            shapes = [f"[{', '.join(word for word, _ in sizes(step, ref))}]" for ref in sides]
            names = [_called(step, ref) for ref in sides]
            high = names[0] if len(step.shape(sides[0])) > len(step.shape(sides[1])) else names[1]
            yield Sighting(
                step.nodes[meeting.node].place,
                f"{names[0]} is {shapes[0]} and {names[1]} is {shapes[1]}, and both hold one number for each "
                "sample: they broadcast, so each sample's prediction is compared with every other sample's "
                f"target and the model learns their mean; give both one shape, as in `squeeze(-1)` on {high}",
                related=step.came_from(),
                evidence={"prediction": shapes[0], "target": shapes[1]},
            )

    def _problem(
        self, script: ScriptModel, node: cst.CSTNode, first: Value, second: Value, forms: tuple[str, str]
    ) -> Problem:
        names = script.name_of(first, "the prediction"), script.name_of(second, "the target")
        high = names[0] if len(forms[0]) > len(forms[1]) else names[1]
        return self.problem(
            node,
            f"`{names[0]}` is {forms[0]} and `{names[1]}` is {forms[1]}: they broadcast, so "
            f"each sample's prediction is compared with every other sample's target and the model learns "
            f"their mean; give both one shape, as in `{high}.squeeze(-1)`",
        )


def _sides(step: GraphStep, meeting: Meeting) -> tuple[Ref, Ref] | None:
    """A prediction and a target of different rank; comparing all pairs on purpose shows by an `unsqueeze`."""
    if meeting.kind != "broadcast" or len(meeting.sides) != 2 or None in meeting.sides:
        return None
    first, second = (_unexpanded(step, ref) for ref in meeting.sides if ref is not None)
    if len(step.shape(first)) == len(step.shape(second)):
        return None
    learned = [step.value(ref).learned for ref in (first, second)]
    if learned[0] == learned[1]:
        return None
    place = step.nodes[meeting.node].place
    if any(
        step.operator(ref.node) == "unsqueeze" and step.nodes[ref.node].place == place
        for ref in (first, second)
    ):
        return None
    return (first, second) if learned[0] else (second, first)


def _called(step: GraphStep, ref: Ref) -> str:
    name = step.called(ref)
    made = any(output.ref == ref for output in step.predictions)
    return "the prediction" if made and not name.startswith("`") else name


def _unexpanded(step: GraphStep, ref: Ref) -> Ref:
    while step.operator(ref.node) == "expand":
        ref = step.sources(ref.node)[0]
    return ref


def _written_out(script: ScriptModel) -> Iterator[tuple[Value, Value, cst.CSTNode]]:
    """Where two tensors meet in a loss of one's own: `((a - b) ** 2).mean()`, `(log_p * gain).sum()`."""
    for total in script.calls_of("mean", "sum"):
        if not total.args or not surely_absent(total, "dim") or len(total.args) > 1:
            continue
        stack = [(total.args[0], 0)]
        while stack:
            value, depth = stack.pop()
            value = origin(value)
            if depth > DEEPEST or value.alts:
                continue
            if value.op in BINARY and len(value.args) == 2:
                if value.op in MEETS and value.node is not None:
                    yield value.args[0], value.args[1], value.node
                stack.extend((arg, depth + 1) for arg in value.args)
            elif value.op in POINTWISE and value.args:
                stack.append((value.args[0], depth + 1))


def _can_be_a_loss(first: Value, second: Value) -> bool:
    """Whether a network's output meets something else than itself: differences of all pairs are meant."""
    if any(value.kind in (Kind.CONST, Kind.NUMBER, Kind.SIZE) for value in (first, second)):
        return False
    sources = [{id(part) for part in value.sources(SAME_NUMBERS)} for value in (first, second)]
    if sources[0] & sources[1]:
        return False
    outputs = [network_inside(value) for value in (first, second)]
    return any(outputs) and (not all(outputs) or _fixed(first) or _fixed(second))


def _fixed(value: Value) -> bool:
    """Whether no gradient flows into it: a target that a network made."""
    return any(
        part.grad is False or part.op in {"detach", "data"}
        for part in value.graph()
        if part.kind is Kind.TENSOR
    )


def _forms(
    script: ScriptModel, columns: Columns, first: Value, second: Value, strict: bool
) -> tuple[str, str] | None:
    """The two shapes in words, where they surely broadcast to more samples than there are.

    `strict`: both must run over the same samples, as far as the file shows.
    """
    shapes = script.shapes
    known = shapes.of(first), shapes.of(second)
    if known[0] is not None and known[1] is not None:
        high, low = sorted((known[0], known[1]), key=len, reverse=True)
        if not _spreads(high, low) or (strict and shapes.rows(high[0]) != shapes.rows(low[0])):
            return None
        names: dict[Axis, str] = {}
        return _text(script, known[0], names), _text(script, known[1], names)
    for column, vector, words in ((first, second, (COLUMN, VECTOR)), (second, first, (VECTOR, COLUMN))):
        scores, highest = picked(shapes, column), best(vector)
        if scores is not None and highest is not None and same_network(scores, highest):
            return words
    forms = columns.of(first), columns.of(second)
    if set(forms) != {VECTOR, COLUMN} or not _share_a_batch(first, second):
        return None
    column = first if forms[0] == COLUMN else second
    if known[forms.index(COLUMN)] is None and not shapes.batch_leads(column):
        return None
    return forms[0] or "", forms[1] or ""


def _spreads(high: Shape, low: Shape) -> bool:
    """Whether broadcasting repeats both: an axis of 1 meets a longer one, and another one is left over."""
    if len(high) == len(low) or not low or not any(high[: len(high) - len(low)]):
        return False
    meeting = list(zip(high[len(high) - len(low) :], low, strict=True))
    fits = all(not a or not b or a == b or not _whole(a) or not _whole(b) for a, b in meeting)
    return fits and not meeting[0][0] and bool(meeting[0][1])


def _whole(axis: Axis) -> bool:
    return all(isinstance(factor, int) for factor in axis)


def _text(script: ScriptModel, shape: Shape, names: dict[Axis, str]) -> str:
    words = []
    for axis in shape:
        word = script.shapes.describe(axis)
        if "…" in word:
            word = names.setdefault(script.shapes.rows(axis), "NMKLPQRS"[len(names) % 8])
        words.append(word)
    return f"[{', '.join(words)}]"


def _share_a_batch(first: Value, second: Value) -> bool:
    """Whether both come from one batch of more than one sample."""
    found = [
        {id(item.args[0]): item for item in value.graph(_is_item) if _is_item(item) and item.args}
        for value in (first, second)
    ]
    shared = found[0].keys() & found[1].keys()
    return bool(shared) and all(batch_axis(found[0][key]) != () for key in shared)


def _is_item(value: Value) -> bool:
    return value.op == "batch_item"


def _blows_up(criterion: Criterion) -> bool:
    """Whether broadcasting makes more numbers than either side has; a constant target does not."""
    rank = max(len(criterion.prediction), len(criterion.target))
    first, second = ((1,) * (rank - len(shape)) + shape for shape in (criterion.prediction, criterion.target))
    size = math.prod(max(pair) for pair in zip(first, second, strict=True))
    return size > math.prod(first) and size > math.prod(second)
