"""`--tensorboard`: what a run has shown, as scalars, histograms, images and a graph for TensorBoard.

They are put together here, as plain values, and written by a process of their own (`board_writer`), since
torch's SummaryWriter imports torch.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.experiments import health, ramp
from nnlint.experiments.graph import step_of
from nnlint.experiments.loops import REAL
from nnlint.experiments.preview import PREVIEW, Preview
from nnlint.graph.listing import place_text
from nnlint.report import courses

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep

_LONGEST_TAG = 200


class BoardError(Exception):
    """Why nothing could be written; the message is one line."""


@dataclass(frozen=True, slots=True)
class Scalars:
    """One curve, a value for each step."""

    tag: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """One histogram, as nnlint.experiments.health has it."""

    tag: str
    step: int
    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Images:
    """As nnlint.experiments.preview has them: base64 of [height, width, channels]."""

    tag: str
    height: int
    width: int
    channels: int
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A node of the graph; `/` in its name nests it, and `inputs` are names of others."""

    name: str
    op: str
    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    place: str


@dataclass(frozen=True, slots=True)
class Run:
    """What TensorBoard shows under one name."""

    name: str
    scalars: tuple[Scalars, ...] = ()
    spreads: tuple[Spread, ...] = ()
    images: tuple[Images, ...] = ()
    graph: tuple[Operation, ...] = ()


def write(seen: Capture, folder: Path) -> Path:
    """Write all of it into a new folder within that one; BoardError if that cannot be done.

    Each time into another one, as TensorBoard would join the curves of two runs in one folder.
    """
    number = 1
    while (target := folder / f"run-{number}").exists():
        number += 1
    try:
        target.mkdir(parents=True)
    except OSError as error:
        raise BoardError(f"{target}: {error.strerror or error}") from None
    done = subprocess.run(
        [sys.executable, "-m", "nnlint.report.board_writer", str(target)],
        input=json.dumps([asdict(run) for run in runs(seen)]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        raise BoardError(f"--tensorboard: {last[0]}")
    return target


def runs(seen: Capture) -> Iterator[Run]:
    """One for each continuation that trains, with what was measured in it."""
    longest, own = 1, list(_layers(seen))
    for course in courses.courses(seen):
        longest = max(longest, len(course.losses))
        scalars = _curve("loss", course.losses), _norms(seen, course.name)
        if course.name == REAL.name:
            own += scalars
        else:
            yield Run(_folder(course.name), scalars)
    if (level := courses.chance(seen)) is not None:
        yield Run("chance", (Scalars("loss", (0, longest - 1), (level, level)),))
    trajectory = seen.trajectories.get(ramp.RAMP.name)
    if trajectory is not None and (found := trajectory.measure(ramp.Ramp)) is not None:
        yield Run(ramp.RAMP.name, (_curve("loss", found.losses), _curve("learning rate", found.rates)))
    step = step_of(seen)
    yield Run(
        REAL.name,
        tuple(own),
        tuple(_spreads(seen)),
        tuple(_images(seen)),
        tuple(_operations(step)) if step is not None else (),
    )


def _folder(name: str) -> str:
    return re.sub(r"[^\w .,-]+", "_", name)


def _curve(tag: str, values: tuple[float, ...]) -> Scalars:
    return Scalars(tag, tuple(range(len(values))), values)


def _norms(seen: Capture, name: str) -> Scalars:
    trajectory = seen.trajectories.get(name)
    return _curve("gradient norm", tuple(step.grad_norm for step in trajectory.steps) if trajectory else ())


def _layers(seen: Capture) -> Iterator[Scalars]:
    measured = health.of(seen)
    for weight in measured.weights if measured else ():
        for kind, values in (("gradient norm", weight.gradients), ("update ratio", health.ratios(weight))):
            steps = measured.steps[: len(values)] if measured else ()
            kept = [(at, value) for at, value in zip(steps, values, strict=False) if math.isfinite(value)]
            if kept:
                yield Scalars(_tag(kind, weight.name), *zip(*kept, strict=True))
    for layer in measured.layers if measured else ():
        if layer.activation and layer.dead:
            yield Scalars(_tag("dead units", layer.name), layer.steps[: len(layer.dead)], layer.dead)


def _tag(kind: str, name: str) -> str:
    return f"{kind}/{name}"[:_LONGEST_TAG]


def _spreads(seen: Capture) -> Iterator[Spread]:
    measured = health.of(seen)
    for layer in measured.layers if measured else ():
        for entry in layer.histograms:
            yield Spread(_tag("activations", layer.name), entry.step, entry.low, entry.high, entry.counts)


def _images(seen: Capture) -> Iterator[Images]:
    trajectory = seen.trajectories.get(PREVIEW.name)
    preview = trajectory.measure(Preview) if trajectory is not None else None
    for part in preview.parts if preview else ():
        if (found := part.pictures) is not None:
            yield Images(part.name[:_LONGEST_TAG], found.height, found.width, found.channels, found.data)


def _operations(step: GraphStep) -> Iterator[Operation]:
    names: list[str] = []
    for index, node in enumerate(step.nodes):
        root = step.graph.roots[node.root].class_name if node.root >= 0 else ""
        path = [root, *(part.replace("/", "_") for part in node.module.split("."))]
        own = f"{step.operator(index) if node.op.startswith('aten') else node.name}_{index}"
        names.append("/".join(part[:80] for part in (*path, own.replace("/", "_")) if part))
    for index, node in enumerate(step.nodes):
        inputs = tuple(dict.fromkeys(names[ref.node] for ref in step.sources(index)))
        yield Operation(names[index], node.op, inputs, node.shapes, place_text(node.place))
