"""See rules/unused-parameters.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.arguments import ARGUMENTS, Arguments
from nnlint.experiments.health import HEALTH, Untouched, of
from nnlint.graph.nodes import Ref
from nnlint.rule import Rule, Sighting, listed

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep

# A part that has its turn only now and then should have had it by then.
_STEPS = 20
# A script whose whole run is shorter has shown all there is.
_FEWEST = 3
_OVER = "the script ended"


class UnusedParameters(Rule):
    continuations = (HEALTH, ARGUMENTS)
    explained_by = (
        "non-differentiable-loss",
        "everything-frozen",
        "crossed-networks",
        "unused-layer",
        "discarded-forward-value",
        "nan-inf-origin",
        "layer-in-forward",
        "missing-zero-grad",
    )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        yield from self._arguments(seen)
        health = of(seen)
        if health is None or health.broken is not None:
            return
        trajectory = seen.trajectories[HEALTH.name]
        number = len(trajectory.steps)
        if number < (_FEWEST if trajectory.ended == _OVER else _STEPS):
            return
        by_root: defaultdict[int, list[Untouched]] = defaultdict(list)
        for entry in health.untouched:
            trained = any(weight.root == entry.root and any(weight.gradients) for weight in health.weights)
            if entry.own and entry.held and not entry.without_grad and trained:
                by_root[entry.root].append(entry)
        for root, entries in by_root.items():
            names = [entry.name for entry in entries]
            idle = [entry for entry in entries if not entry.called]
            if len(idle) == len(entries):
                why = "the forward never calls the layers that they belong to, or never reads them"
            else:
                why = "their layers are called, but what comes out does not reach the loss"
            place = next(
                (
                    layer.place
                    for layer in health.layers
                    if layer.root == root and layer.name == names[0].rpartition(".")[0]
                ),
                health.root_places[root],
            )
            yield Sighting(
                place,
                f"{listed(names)} of `{health.roots[root]}` had no gradient in any of {number} steps: "
                f"{why}; connect them to the output, or remove them",
                evidence={"parameters": names, "steps": number},
            )

    def _arguments(self, seen: Capture) -> Iterator[Sighting]:
        """What a model is given and makes nothing of; not at first, when gates may be closed on purpose."""
        trajectory = seen.trajectories.get(ARGUMENTS.name)
        found = trajectory.measure(Arguments) if trajectory is not None else None
        if found is None or found.steps < _STEPS:
            return
        for entry in found.ignored:
            yield Sighting(
                entry.place,
                f"what `{entry.root}` returns is the same whatever its argument `{entry.name}` "
                f"{list(entry.shape)} holds, after {found.steps} steps too, while it depends on "
                f"`{entry.heeded}`: its forward never uses it, or loses it on the way; use it, or leave it "
                "out",
                evidence={"argument": entry.name, "steps": found.steps},
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        inputs = [index for index, node in enumerate(step.nodes) if node.op == "input"]
        learned = [output for output in step.predictions if step.nodes[output.ref.node].grad]
        # What was not recorded, and numbers that Python has read, may have carried the batch.
        if step.graph.unseen or step.flow.escapes or not inputs or not learned or not step.losses:
            return
        behind = step.behind(*(output.ref.node for output in learned))
        if behind.isdisjoint(inputs):
            names = listed([name for index in inputs if (name := step.words.name(Ref(index)))])
            yield Sighting(
                learned[0].place,
                f"no prediction depends on the batch ({names}): the model sees nothing of the data and "
                "learns one answer for all of it; give the model its input",
                related=step.came_from(),
            )
