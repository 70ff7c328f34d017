"""See rules/cross-batch.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.graph.across import Crossing, crossings
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep

# What happens to {axis}, which is the batch, and what to do about it.
ACTS = {
    "reduction": ("runs over {axis}", "reduce over the axes after it"),
    "contraction": ("sums over {axis}", "keep the batch axis on both sides of the product"),
    "attention": ("lets the samples along {axis} attend to each other", "attend over the time axis"),
    "recurrence": ("runs along {axis}", "run along the time axis"),
    "scan": ("adds up along {axis}", "give the axis of time"),
    "convolution": ("slides its window along {axis}", "put the batch first: (N, C, …)"),
    "normalisation": ("normalises over {axis}", "normalise over the features only"),
    "selection": ("uses one position of {axis} for all others", "select along another axis"),
    "permuted": ("joins samples that stand in different order along {axis}", "move another axis"),
    "interleaved": (
        "joins samples that are repeated in different order along {axis}",
        "use `repeat` or `repeat_interleave` on both sides",
    ),
    "gather": ("reads along {axis} at positions that the data give", "index the axis of the classes"),
    "scatter": ("adds up samples along {axis}", "write to rows of their own"),
    "sort": ("sorts along {axis}", "sort along another axis"),
    "transform": ("transforms along {axis}", "name the axes to transform"),
}


class CrossBatch(Rule):
    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        for crossing in crossings(step, self.page.name):
            yield _sighting(step, crossing)


def _sighting(step: GraphStep, crossing: Crossing) -> Sighting:
    mixing = crossing.mixing
    axis = "the batch axis"
    if mixing.argument is not None and mixing.place is not None:
        axis = f"{step.axis(mixing.argument, mixing.place)}, which is the batch"
    act, remedy = ACTS[mixing.kind]
    return Sighting(
        step.nodes[crossing.node].place,
        f"`{step.spoken(mixing.node)}` {act.format(axis=axis)}: the prediction for one sample depends on "
        f"the other samples of its batch, and changes with them; {remedy}",
        related=step.came_from(),
        # Statistics of the batch itself are sometimes how a script scales its inputs.
        severity=None if mixing.learned else Severity.WARNING,
        evidence={"operator": step.operator(mixing.node), "kind": mixing.kind},
    )
