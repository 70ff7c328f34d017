"""Figures of how each layer fares: maps by layer and update, units, what the layers put out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nnlint.experiments import health
from nnlint.report.drawn import COLOURS, Drawn, figure, key_above, svg

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Rows of a map, and histograms, that can still be read.
_ROWS, _HISTOGRAMS = 40, 12
_LONGEST_NAME = 34


def _short(name: str) -> str:
    """The end of a path, which tells more than its beginning."""
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"


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
    drawn, axes = figure(1.2 + 0.24 * len(rows))
    low, high = min(finite), max(max(finite), min(finite) * 1.01)
    norm = LogNorm(low, high)
    image = axes.pcolormesh(cells, norm=norm, cmap="viridis")
    axes.invert_yaxis()
    axes.set_yticks([at + 0.5 for at in range(len(rows))], [_short(weight.name) for weight in weights])
    steps = measured.steps[:width]
    axes.set_xticks([at + 0.5 for at in range(len(steps))], [str(step + 1) for step in steps])
    axes.set_xlabel("update")
    axes.grid(visible=False)
    # Of a narrow range no power of ten may be a part.
    ticks = [low, math.sqrt(low * high), high]
    bar = drawn.colorbar(image, ax=axes, ticks=ticks, format=FuncFormatter(lambda value, _: f"{value:.2g}"))
    bar.minorticks_off()
    return Drawn(title, caption, svg(drawn))


def _gradients(seen: Capture) -> Drawn | None:
    caption = "The Euclidean norm of each weight's gradient. Rows that fade away learn nothing."
    return _map(seen, "Gradient norm by layer and update", caption, lambda weight: weight.gradients)


def _updates(seen: Capture) -> Drawn | None:
    caption = "The norm of each update over the norm of the weight: healthy is near 1e-3."
    return _map(seen, "Update to weight ratio by layer and update", caption, health.ratios)


def _units(seen: Capture) -> Drawn | None:
    measured = health.of(seen)
    layers = [layer for layer in measured.layers if layer.activation and layer.dead] if measured else []
    layers = health.evenly(layers, _ROWS)
    if not layers:
        return None
    drawn, axes = figure(1.2 + 0.3 * len(layers))
    at = range(len(layers))
    dead = [layer.dead_throughout for layer in layers]
    low = [layer.low[-1] if layer.low and layer.activation != "relu" else 0.0 for layer in layers]
    high = [layer.high[-1] if layer.high else 0.0 for layer in layers]
    both = [one + other for one, other in zip(dead, low, strict=True)]
    axes.barh(at, dead, color=COLOURS[4], label="units that no sample activates")
    axes.barh(at, low, left=dead, color=COLOURS[2], label="outputs at the low end")
    axes.barh(at, high, left=both, color=COLOURS[1], label="outputs at the high end")
    for row, share in enumerate(one + other for one, other in zip(both, high, strict=True)):
        axes.text(min(share, 0.93) + 0.01, row, f"{share:.0%}", va="center")
    names = [_short(layer.name) for layer in layers]
    kinds = [layer.activation for layer in layers]
    labels = [name if kind in name else f"{name} ({kind})" for name, kind in zip(names, kinds, strict=True)]
    axes.set_yticks(list(at), labels)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share")
    key_above(axes, 2)
    return Drawn("Dead and saturated units", "Units that no longer take part, by layer.", svg(drawn))


def _histograms(seen: Capture) -> Drawn | None:
    measured = health.of(seen)
    layers = [layer for layer in measured.layers if layer.histograms] if measured else []
    layers = health.evenly(layers, _HISTOGRAMS)
    if not layers:
        return None
    columns = 2
    rows = math.ceil(len(layers) / columns)
    drawn = Figure(figsize=(7.6, 0.6 + 1.35 * rows), layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(layers) :]:
        axes.set_axis_off()
    for axes, layer in zip(grid.flat, layers, strict=False):
        for place, colour, histogram in zip(
            ("before", "after"), (COLOURS[5], COLOURS[0]), layer.histograms, strict=False
        ):
            width = (histogram.high - histogram.low) / len(histogram.counts) or 1.0
            edges = [histogram.low + at * width for at in range(len(histogram.counts) + 1)]
            total = sum(histogram.counts)
            shares = [count / total / width for count in histogram.counts]
            label = "before the first update" if place == "before" else "at the end"
            axes.stairs(shares, edges, color=colour, label=label, linewidth=1.3, fill=False)
        # A layer that puts out many zeros would press all else to the ground.
        axes.set_yscale("symlog", linthresh=_threshold(layer))
        axes.set_title(_short(layer.name), fontsize=10.5, loc="left")
        axes.set_yticks([])
        axes.set_yticks([], minor=True)
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
    key = dict(zip(*grid.flat[0].get_legend_handles_labels()[::-1], strict=True))
    drawn.legend(key.values(), key.keys(), loc="outside upper left", ncols=2)
    return Drawn(
        "Activation histograms",
        "How the outputs of each layer spread. All in one place, or ever wider, is a bad start.",
        svg(drawn),
    )


def _threshold(layer: health.Layer) -> float:
    """The density up to which the axis is a plain one: that of an even spread over the widest histogram."""
    span = max(histogram.high - histogram.low for histogram in layer.histograms)
    return 1 / span if span > 0 else 1.0


def _outputs(seen: Capture) -> Drawn | None:
    measured = health.of(seen)
    layers = [layer for layer in measured.layers if layer.means] if measured else []
    layers = health.evenly(layers, _ROWS)
    if not layers:
        return None
    drawn, axes = figure(1.2 + 0.26 * len(layers))
    at = list(range(len(layers)))
    for column, colour, label in (
        (0, COLOURS[5], "before the first update"),
        (-1, COLOURS[0], "at the end"),
    ):
        means = [layer.means[column] for layer in layers]
        spread = [layer.deviations[column] for layer in layers]
        height = [place + (0.12 if column else -0.12) for place in at]
        axes.errorbar(means, height, xerr=spread, fmt="o", markersize=4, color=colour, label=label)
    axes.set_yticks(at, [_short(layer.name) for layer in layers])
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_xlabel("mean of the outputs, and their standard deviation")
    key_above(axes, 2)
    return Drawn(
        "What the layers put out",
        "A deviation near zero, or one that explodes, is a bad start.",
        svg(drawn),
    )


FIGURES = (_gradients, _updates, _units, _histograms, _outputs)
