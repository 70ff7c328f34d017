"""See rules/non-differentiable-loss.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.gradients import LEAVES, gradient_path
from nnlint.static.values import EventKind, Kind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

COMPARISONS = {"gt", "lt", "ge", "le", "eq", "ne", "isclose"}


class NonDifferentiableLoss(Rule):
    words = ("backward", "training_step")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.first_loss import FIRST_LOSS

        return (FIRST_LOSS,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.first_loss import FIRST_LOSS, FirstLoss

        trajectory = seen.trajectories.get(FIRST_LOSS.name)
        first = trajectory.measure(FirstLoss) if trajectory else None
        if first is not None and first.leaf:
            yield Sighting(
                first.place,
                "the loss that is differentiated here was made of plain numbers (by `torch.tensor`, `.data`, "
                "`.item()` or `.detach()`) and then asked for a gradient: no way leads from it to any "
                "network, and nothing is learned; compute the loss from the network's own output",
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.ways import cuts

        for loss in step.losses:
            for index in cuts(step, loss.ref):
                operator = step.spoken(index)
                cut = "leaves the graph" if operator in ("detach", "lift_fresh") else "has no gradient"
                yield Sighting(
                    step.nodes[index].place,
                    f"`{operator}` of {step.called(step.sources(index)[0])} {cut}, and every way from "
                    f"{step.called(loss.ref)} to the network leads through it: nothing is learned; compute "
                    "the loss from the network's own output",
                    related=((loss.place, "the loss is back-propagated here"),),
                )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        thawed = frozenset(id(event.target) for event in script.events_of(EventKind.UNFREEZE))
        for loss, place in _losses(script):
            path = gradient_path(loss, thawed)
            if not path.open:
                for cut in path.cuts:
                    yield self._cut(script, cut, loss, place)

    def _cut(self, script: ScriptModel, cut: Value, loss: Value, place: cst.CSTNode) -> Problem:
        name = script.name_of(loss, "the loss")
        what = "comparison" if cut.op in COMPARISONS else cut.op
        code = script.text(cut.node, 40)
        how = f"`{code}` leaves the graph" if cut.op in LEAVES else f"the {what} `{code}` has no gradient"
        return self.problem(
            cut.node or place,
            f"{how}, and every way from `{name}` to the network leads through it: nothing is learned; "
            f"compute the loss from the network's own output",
            related=((place, "the loss is back-propagated here"),),
        )


def _losses(script: ScriptModel) -> Iterator[tuple[Value, cst.CSTNode]]:
    for event in script.events_of(EventKind.BACKWARD):
        if event.target is not None and event.call.node is not None:
            yield event.target, event.call.node
    stepped = {id(info) for event in script.events_of(EventKind.STEP) for info in event.frame.functions()}
    for fact in script.facts:
        if fact.kind == "return" and any(
            info.name == "training_step" and info.cls and info.cls.is_lightning and id(info) not in stepped
            for info in fact.frame.functions()[:1]
        ):
            value = fact.value
            if value.kind is Kind.MAPPING:
                value = value.attrs.get("loss", value)
            yield value, fact.node
