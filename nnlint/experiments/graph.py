"""The script's first training iteration as a graph: recorded of few samples, and of the whole batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.capture.plan import Continuation, Trajectory
from nnlint.graph import nodes
from nnlint.graph.step import GraphStep

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Fewer samples are fewer than the script's own settings say, and some scripts fail on that.
FEW = Continuation("few samples", "cut", steps=16, seconds=20.0, meters=("graph",))
WHOLE = Continuation("whole batch", "none", steps=16, seconds=20.0, meters=("graph",))


@dataclass(frozen=True, slots=True)
class Recording:
    """What nnlint.graph.nodes.to_json has written."""

    graph: str


def recorded(trajectories: Mapping[str, Trajectory]) -> nodes.Graph | None:
    """The graph of few samples if it reaches a loss, or else that of the whole batch, if there is any."""
    graphs = []
    for continuation in (FEW, WHOLE):
        if (trajectory := trajectories.get(continuation.name)) is not None:
            recording = trajectory.measure(Recording)
            graphs += [nodes.from_json(recording.graph)] if recording else []
    graphs.sort(key=lambda graph: not any(output.what == "loss" for output in graph.outputs))
    return graphs[0] if graphs else None


def step_of(seen: Capture) -> GraphStep | None:
    """The step of a model that was traced, or of the script as it was recorded; None where neither was."""
    graph = nodes.from_json(seen.traced) if seen.traced else recorded(seen.trajectories)
    return None if graph is None else GraphStep(graph, seen.first_step)
