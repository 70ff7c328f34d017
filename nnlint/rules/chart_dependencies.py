"""See rules/chart-dependencies.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments import dependencies
from nnlint.graph.across import every_crossing
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep


class ChartDependencies(Rule):
    continuations = (dependencies.CHARTED,)
    explained_by = (
        "cross-batch",
        "sequence-batch-order",
        "softmax-dim",
        "batch-absorbing-view",
        "view-after-transpose",
    )

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        trajectory = seen.trajectories.get(dependencies.CHARTED.name)
        found = trajectory.measure(dependencies.Dependencies) if trajectory is not None else None
        if found is None:
            yield Skip("no model was called in the first iteration")
        elif found.why:
            yield Skip(found.why)
        elif found.mixed == found.tried:
            context = f" (batch statistics of {', '.join(found.context)} left aside)" if found.context else ""
            yield Sighting(
                found.place,
                f"replacing one sample of the batch changes what `{found.root}` predicts for the others"
                f"{context}: samples are mixed, so predictions depend on what else is in the batch, and "
                "training and evaluation are not of the same thing; look for a mean, softmax, reshape or "
                "recurrence along the batch axis",
                evidence={
                    "samples": found.samples,
                    "replaced": found.tried,
                    "share of the others that changed": found.others,
                },
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        told: set[int] = set()
        for crossing in every_crossing(step):
            output = next(entry for entry in step.predictions if entry.ref == crossing.prediction)
            if output.root in told:
                continue
            told.add(output.root)
            operator = step.spoken(crossing.mixing.node)
            name = step.graph.roots[output.root].class_name if output.root >= 0 else "the model"
            yield Sighting(
                output.place,
                f"what `{name}` predicts for one sample depends on the other samples of its batch, by "
                f"`{operator}`: "
                "training and evaluation are not of the same thing; keep the batch axis apart there",
                related=((step.nodes[crossing.node].place, "the samples are mixed here"), *step.came_from()),
            )
