"""The figures of a run for a terminal, briefly: a table of the losses, and on request one of the layers."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from nnlint.experiments import health
from nnlint.report import courses

if TYPE_CHECKING:
    from rich.table import Table

    from nnlint.capture.supervise import Capture

_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-~=+*#"
# What is not finite has no height.
_HOLE = "!"
_WIDTH, _NARROW = 24, 12
# What the other columns of the two tables take at the most; the names get the rest.
_BESIDE_LOSSES, _BESIDE_LAYERS, _LEAST_NAME = 58, 64, 16
_LONGEST_NAME = 40
# So many of each can be taken in at a glance.
_CURVES, _LAYERS = 8, 16


def sparkline(
    values: Sequence[float], low: float, high: float, marks: str = _BLOCKS, most: int = _WIDTH
) -> str:
    """The values as heights between two bounds: so many letters at most, each the median of its stretch."""
    if not values:
        return ""
    width = min(most, len(values))
    edges = [round(at * len(values) / width) for at in range(width + 1)]
    letters = []
    for start, stop in itertools.pairwise(edges):
        finite = [value for value in values[start:stop] if math.isfinite(value)]
        if len(finite) < stop - start:
            letters.append(_HOLE)
            continue
        share = (median(finite) - low) / (high - low) if high > low else 0.0
        letters.append(marks[min(max(int(share * len(marks)), 0), len(marks) - 1)])
    return "".join(letters)


def render(seen: Capture, *, color: bool, width: int, layers: bool, encoding: str = "utf-8") -> str:
    """A few lines, empty where nothing was trained: with `layers` also how each of them fares.

    Blocks are drawn where `encoding` has them, letters else.
    """
    from rich.console import Console

    marks = _BLOCKS if _can(encoding) else _ASCII
    tables = [_losses(seen, marks, width), _layers(seen, marks, width) if layers else None]
    if not any(tables):
        return ""
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=color, no_color=not color, color_system="standard" if color else None,
        width=width, highlight=False, legacy_windows=False,
    )  # fmt: skip
    for table in filter(None, tables):
        console.print(table)
    for line in _sentences(seen, marks):
        console.print(line, soft_wrap=True)
    # Tables are padded to the right, which shows where lines are chosen.
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n\n"


def _can(encoding: str) -> bool:
    try:
        _BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for column in columns:
        curve = column in ("curve", "gradient", "update/weight")
        table.add_column(column, justify="left" if curve else "right", no_wrap=True)
    return table


def _losses(seen: Capture, marks: str, width: int) -> Table | None:
    """One axis for all of them, as in the figure."""
    found = courses.courses(seen)[:_CURVES]
    finite = [loss for course in found for loss in course.losses if math.isfinite(loss)]
    if not finite:
        return None
    logs = courses.logarithmic(finite)

    def scaled(loss: float) -> float:
        return math.log(loss) if logs and math.isfinite(loss) else loss

    low, high = scaled(min(finite)), scaled(max(finite))
    table = _table("updates", "first loss", "last loss", "curve")
    for course in found:
        curve = sparkline([scaled(loss) for loss in course.losses], low, high, marks)
        losses = course.losses
        table.add_row(
            _plain(course.name, width - _BESIDE_LOSSES, marks),
            str(len(losses)),
            f"{losses[0]:.4g}",
            f"{losses[-1]:.4g}",
            curve,
        )
    if (level := courses.chance(seen)) is not None:
        table.add_row("chance", "", f"{level:.4g}", "", "")
    return table


def _layers(seen: Capture, marks: str, width: int) -> Table | None:
    """The norms over the measured updates, each row between its own bounds, on a logarithmic scale."""
    measured = health.of(seen)
    weights = health.evenly(list(health.matrices(measured)), _LAYERS) if measured else []
    if not weights:
        return None
    table = _table("first", "last", "gradient", "first", "last", "update/weight")
    for weight in weights:
        cells: list[str] = []
        for values in (weight.gradients, health.ratios(weight)):
            logs = [math.log(value) if value > 0 else math.nan for value in values]
            finite = [value for value in logs if math.isfinite(value)]
            curve = sparkline(logs, min(finite), max(finite), marks, _NARROW) if finite else ""
            cells += [f"{values[0]:.2g}", f"{values[-1]:.2g}", curve] if values else ["", "", ""]
        table.add_row(_plain(weight.name, width - _BESIDE_LAYERS, marks), *cells)
    return table


def _sentences(seen: Capture, marks: str) -> Iterator[str]:
    both = courses.suggested(seen)
    if both is not None:
        measured, found = both
        end = f", diverges at {found.diverges:.2g}" if found.diverges is not None else ""
        yield f"learning rate {measured.own:g}; the range test suggests {found.suggestion:.2g}{end}"
    figures = health.of(seen)
    for layer in figures.layers if figures else ():
        shares = (
            (layer.dead_throughout, "dead units"),
            (layer.low[-1] if layer.low and layer.activation != "relu" else 0.0, "at the low end"),
            (layer.high[-1] if layer.high else 0.0, "at the high end"),
        )
        said = [f"{share:.0%} {what}" for share, what in shares if share >= 0.5]
        if said:
            yield f"{_plain(layer.name, _LONGEST_NAME, marks)}: {', '.join(said)}"


def _plain(name: str, most: int, marks: str) -> str:
    """A name without control characters and markup, and not too long."""
    from rich.markup import escape

    blocks = marks == _BLOCKS
    hidden, more = ("�", "…") if blocks else ("?", "...")
    shown = [letter if letter.isprintable() and (blocks or letter.isascii()) else hidden for letter in name]
    most = max(most, _LEAST_NAME)
    return escape("".join(shown) if len(shown) <= most else f"{''.join(shown[: most - len(more)])}{more}")
