"""See rules/softmax-dim.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Applicability, Severity
from nnlint.rule import Change, Draft, Insertion, Problem, Replacement, Rule, Sighting
from nnlint.static.arguments import constant, surely_absent
from nnlint.static.scores import surely
from nnlint.static.shapes import POINTWISE
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel


class SoftmaxDim(Rule):
    words = ("softmax", "Softmax", "softmin")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls_of("softmax", "log_softmax", "softmin"):
            layer = call.receiver
            made = layer if layer is not None and layer.op.startswith("torch.nn.") else call
            if not call.args or made.node is None or made.op == "torch.nn.Softmax2d":
                continue
            rank = script.shapes.rank(call.args[0])
            if surely_absent(call, "dim"):
                yield self._no_dim(script, made, call.args[0], rank)
                continue
            dim = constant(call, "dim")
            over_batch = dim == 0 or (type(dim) is int and rank is not None and dim == -rank)
            if not over_batch or rank == 1 or (rank is None and _column(call.args[0])):
                continue
            if script.shapes.batch_leads(call.args[0]):
                name = script.name_of(call.args[0], "the scores")
                yield self.problem(
                    made.node,
                    f"{call.op} over axis 0 of `{name}`, which is the batch: every sample's result depends "
                    "on the others of its batch; give the axis of the classes, as in dim=-1",
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.across import crossings

        for crossing in crossings(step, self.page.name):
            mixing = crossing.mixing
            if mixing.argument is None or mixing.place is None or len(step.shape(mixing.argument)) < 2:
                continue
            yield Sighting(
                step.nodes[crossing.node].place,
                f"{step.spoken(mixing.node)} over {step.axis(mixing.argument, mixing.place)}, "
                "which is the batch: every sample's result depends on the others of its batch; give the "
                "axis of the classes, as in dim=-1",
                related=step.came_from(),
            )

    def _no_dim(self, script: ScriptModel, made: Value, scores: Value, rank: int | None) -> Problem:
        assert made.node is not None
        axis = 0 if rank in (0, 1, 3) else 1
        if rank is None:
            what = "the axis then depends on the number of axes (0 for 1 or 3, else 1)"
        else:
            what = f"axis {axis} is taken for {rank} axes"
        wrong = rank == 3 and not _moved_first(scores)
        return self.problem(
            made.node,
            f"`{script.text(made.node)}` has no dim: {what}, and PyTorch warns that this will go; give dim",
            severity=None if wrong else Severity.INFO,
            fix=_with_dim(script, made, scores, rank),
        )


def _moved_first(scores: Value) -> bool:
    """Whether the axis that is taken was brought there: `x.transpose(axis, 0)`."""
    moves = {"transpose", "swapaxes", "movedim"}
    return any(
        part.op in moves and any(arg.is_const(0) for arg in part.args[1:])
        for part in scores.sources(LOOK_THROUGH - moves)
    )


def _column(scores: Value) -> bool:
    """Whether it may be one number a sample, of which a list-wise loss makes a distribution."""
    return any(
        part.op == "getitem"
        for part in scores.sources(POINTWISE | LOOK_THROUGH | {"add", "sub", "mul", "div"})
    )


def _with_dim(script: ScriptModel, made: Value, scores: Value, rank: int | None) -> Draft | None:
    node = made.node
    if not isinstance(node, cst.Call):
        return None
    images = surely(scores, lambda value: value.op in {"conv2d", "conv3d"})
    # The axis that is taken today, where that is the right one: then nothing changes.
    level = Applicability.SAFE if rank in (2, 4, 5) else Applicability.UNSAFE
    dim = 1 if rank in (2, 4, 5) or (rank is None and images) else -1
    change: Change = Replacement(node, f"{script.code(node.func)}(dim={dim})")
    if node.args:
        change = Insertion(node.args[-1], f", dim={dim}", after=True)
    return Draft(f"give dim={dim}", (change,), level)
