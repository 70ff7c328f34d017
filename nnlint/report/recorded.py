"""Pictures of the recorded graph: around each finding that lies in it, and as a whole."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from nnlint.experiments.graph import step_of
from nnlint.graph.drawing import drawing

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture
    from nnlint.finding import Finding
    from nnlint.graph.step import GraphStep

# So many findings have a picture of their own.
_MOST = 4
# Graphviz may think for long about hundreds of boxes.
_SECONDS = 30.0
_SMALLEST = 0.65


@dataclass(frozen=True, slots=True)
class Picture:
    """A part of the graph; `finding` is the number of the one that it is around, from 1, or 0."""

    finding: int
    title: str
    svg: Markup


def pictures(seen: Capture, findings: Sequence[Finding]) -> list[Picture]:
    """What is around each finding first, the whole graph last; nothing where Graphviz is not installed."""
    dot = shutil.which("dot")
    step = step_of(seen) if dot is not None else None
    if dot is None or step is None:
        return []
    marks = [marked(step, finding) for finding in findings]
    found: list[tuple[int, str, str]] = []
    for number, nodes in enumerate(marks, 1):
        if nodes and len(found) < _MOST and nodes not in marks[: number - 1]:
            finding = findings[number - 1]
            title = f"{finding.code} in line {finding.span.start.row}"
            found.append((number, title, drawing(step, nodes, around=True)))
    found.append((0, "All of it", drawing(step, {node for nodes in marks for node in nodes})))
    drawn = [Picture(number, title, _svg(dot, text, number)) for number, title, text in found]
    return [picture for picture in drawn if picture.svg]


def marked(step: GraphStep, finding: Finding) -> tuple[int, ...]:
    """The operations that the lines of a finding have made."""
    rows = range(finding.span.start.row, finding.span.end.row + 1)
    path = Path(finding.filename).absolute()
    return tuple(
        index
        for index, node in enumerate(step.nodes)
        if index not in step.held
        and node.op != "input"
        and node.place is not None
        and node.place.row in rows
        and Path(node.place.filename).absolute() == path
    )


def _svg(dot: str, text: str, number: int) -> Markup:
    try:
        done = subprocess.run(
            [dot, "-Tsvg"], input=text.encode(), capture_output=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Markup("")
    picture = done.stdout.decode(errors="replace")
    if done.returncode or "<svg" not in picture:
        return Markup("")
    picture = picture[picture.index("<svg") :]
    # A wide one is made smaller, but never so small that its letters cannot be read.
    width = re.search(r'<svg width="(\d+)pt"', picture)
    least = f'<svg style="min-width: {_SMALLEST * int(width[1]):.0f}pt"' if width else "<svg"
    # Several pictures stand in one page, whose names must differ.
    return Markup(re.sub(r' id="(\w+)"', rf' id="g{number}-\1"', picture.replace("<svg", least, 1)))
