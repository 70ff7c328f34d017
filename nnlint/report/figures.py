"""Figures of a run as SVG that fits a light and a dark page, from what the continuations have measured."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nnlint.experiments import health, ramp
from nnlint.experiments.graph import FEW, WHOLE
from nnlint.experiments.loops import FIRST, LATER
from nnlint.experiments.modes import MODES

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Readable on white and on black, and told apart by people who do not see red and green as two.
_COLOURS = ("#2f81f7", "#d97706", "#8b5cf6", "#0d9488", "#db2777", "#6b7280")
_GREY = "#7d8590"
_STYLE: dict[Any, Any] = {
    # Names of layers are no formulas.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "font.size": 10.0,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GREY,
    "grid.alpha": 0.2,
    "legend.frameon": False,
}
# Numbers as people write them; powers of ten would need formulas.
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
# What is recorded, or followed, and trains for other reasons than to be looked at.
_SERVANTS = {entry.name for entry in (FEW, WHOLE, FIRST, LATER, MODES)}
# Rows of a map that can still be read.
_ROWS = 40


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its heading and what it says to somebody who does not see it."""

    title: str
    caption: str
    svg: str


def of(seen: Capture) -> Iterator[Drawn]:
    """Every figure that there is something to draw in."""
    for number, draw in enumerate((_losses, _range, _gradients, _updates, _units, _outputs)):
        with mpl.rc_context({**_STYLE, "svg.hashsalt": f"nnlint-{number}"}):
            drawn = draw(seen)
        if drawn is not None:
            yield drawn


def _figure(height: float = 3.2) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9, height), layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    # Inside a page: no XML header, and as wide as the column.
    drawing = drawing[drawing.index("<svg") :]
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1),
        count=1,
    )


def _losses(seen: Capture) -> Drawn | None:
    figure, axes = _figure()
    drawn = 0
    courses = [
        entry for entry in seen.trajectories.values() if len(entry.steps) > 2 and entry.name not in _SERVANTS
    ]
    for trajectory in courses[: len(_COLOURS)]:
        losses = [step.loss for step in trajectory.steps]
        axes.plot(range(1, len(losses) + 1), losses, color=_COLOURS[drawn], label=trajectory.name[:40])
        drawn += 1
    if not drawn:
        return None
    positive = [step.loss for entry in courses for step in entry.steps if math.isfinite(step.loss)]
    if positive and min(positive) > 0 and max(positive) > 50 * min(positive):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_PLAIN)
    axes.set_xlabel("update")
    axes.set_ylabel("loss")
    axes.legend(loc="upper right", ncols=2)
    ends = "; ".join(
        f"{entry.name[:40]}: {entry.steps[0].loss:.4g} to {entry.steps[-1].loss:.4g}" for entry in courses
    )
    return Drawn("Loss", f"The script's own loop, continued from its first step. {ends}.", _svg(figure))


def _range(seen: Capture) -> Drawn | None:
    trajectory = seen.trajectories.get(ramp.RAMP.name)
    measured = trajectory.measure(ramp.Ramp) if trajectory else None
    found = ramp.read(measured) if measured else None
    if measured is None or found is None:
        return None
    figure, axes = _figure()
    axes.plot(measured.rates[: len(found.smoothed)], found.smoothed, color=_COLOURS[0])
    axes.axvline(measured.own, color=_COLOURS[1], linestyle="--", label=f"the script's rate {measured.own:g}")
    axes.axvline(found.suggestion, color=_COLOURS[3], label=f"suggested {found.suggestion:.2g}")
    if found.diverges is not None:
        axes.axvline(
            found.diverges, color=_COLOURS[4], linestyle=":", label=f"diverges at {found.diverges:.2g}"
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    axes.legend()
    return Drawn("Learning-rate range test", "The loss while the rate grows from step to step.", _svg(figure))


def _map(
    seen: Capture,
    title: str,
    caption: str,
    value: Callable[[health.Weight], Sequence[float]],
) -> Drawn | None:
    measured = health.of(seen)
    if measured is None:
        return None
    weights = health.evenly(list(health.matrices(measured)), _ROWS)
    rows = [list(value(weight)) for weight in weights]
    width = max(map(len, rows), default=0)
    cells = [
        [cell if cell > 0 else math.nan for cell in row] + [math.nan] * (width - len(row)) for row in rows
    ]
    finite = [cell for row in cells for cell in row if math.isfinite(cell)]
    if width < 2 or not finite:
        return None
    figure, axes = _figure(1.2 + 0.22 * len(rows))
    norm = LogNorm(min(finite), max(max(finite), min(finite) * 1.01))
    image = axes.pcolormesh(cells, norm=norm, cmap="viridis")
    axes.invert_yaxis()
    axes.set_yticks([at + 0.5 for at in range(len(rows))], [weight.name[-40:] for weight in weights])
    steps = measured.steps[:width]
    axes.set_xticks([at + 0.5 for at in range(len(steps))], [str(step + 1) for step in steps])
    axes.set_xlabel("update")
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, format=_PLAIN)
    return Drawn(title, caption, _svg(figure))


def _gradients(seen: Capture) -> Drawn | None:
    caption = "The Euclidean norm of each weight's gradient. Rows that fade away learn nothing."
    return _map(seen, "Gradient norm by layer and update", caption, lambda weight: weight.gradients)


def _updates(seen: Capture) -> Drawn | None:
    caption = "The norm of each update over the norm of the weight: healthy is near 1e-3."
    return _map(
        seen,
        "Update to weight ratio",
        caption,
        lambda weight: [
            update / norm if norm > 0 else math.nan
            for update, norm in zip(weight.updates, weight.norms, strict=True)
        ],
    )


def _units(seen: Capture) -> Drawn | None:
    measured = health.of(seen)
    layers = [layer for layer in measured.layers if layer.activation and layer.dead] if measured else []
    layers = health.evenly(layers, _ROWS)
    if not layers:
        return None
    figure, axes = _figure(1.0 + 0.28 * len(layers))
    at = range(len(layers))
    dead = [layer.dead_throughout for layer in layers]
    low = [layer.low[-1] if layer.low and layer.activation != "relu" else 0.0 for layer in layers]
    high = [layer.high[-1] if layer.high else 0.0 for layer in layers]
    axes.barh(at, dead, color=_COLOURS[4], label="units that no sample activates")
    axes.barh(at, low, left=dead, color=_COLOURS[2], label="outputs at the low end")
    both = [one + other for one, other in zip(dead, low, strict=True)]
    axes.barh(at, high, left=both, color=_COLOURS[1], label="outputs at the high end")
    axes.set_yticks(list(at), [f"{layer.name[-32:]} ({layer.activation})" for layer in layers])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share")
    axes.legend(loc="lower right")
    return Drawn("Dead and saturated units", "Units that no longer take part, by layer.", _svg(figure))


def _outputs(seen: Capture) -> Drawn | None:
    measured = health.of(seen)
    layers = [layer for layer in measured.layers if layer.means] if measured else []
    layers = health.evenly(layers, _ROWS)
    if not layers:
        return None
    figure, axes = _figure(1.0 + 0.24 * len(layers))
    at = list(range(len(layers)))
    for column, colour, label in (
        (0, _COLOURS[5], "before the first update"),
        (-1, _COLOURS[0], "at the end"),
    ):
        means = [layer.means[column] for layer in layers]
        spread = [layer.deviations[column] for layer in layers]
        height = [place + (0.12 if column else -0.12) for place in at]
        axes.errorbar(means, height, xerr=spread, fmt="o", markersize=4, color=colour, label=label)
    axes.set_yticks(at, [layer.name[-40:] for layer in layers])
    axes.invert_yaxis()
    axes.set_xlabel("mean of the outputs, and their standard deviation")
    axes.legend(loc="best")
    return Drawn(
        "What the layers put out",
        "A deviation near zero, or one that explodes, is a bad start.",
        _svg(figure),
    )
