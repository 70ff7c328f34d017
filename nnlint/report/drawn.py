"""What all figures share: SVG that stands in a light and a dark page, in a wide and a narrow one."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

# Told apart by people who do not see red and green as two, and seen on white and on black.
COLOURS = ("#2f81f7", "#d97706", "#8b5cf6", "#0d9488", "#db2777", "#6b7280", "#65a30d", "#b45309")
# Stands for the colour of the page's text, which no one grey can be on white and on black.
_TEXT = "#123456"
_STYLE: dict[Any, Any] = {
    # Names of layers are no formulas.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "font.size": 10.5,
    "font.family": "sans-serif",
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _TEXT,
    "grid.alpha": 0.15,
    "legend.frameon": False,
}
# Powers of ten would need formulas.
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its heading and what it says to somebody who does not see it."""

    title: str
    caption: str
    svg: str


@contextmanager
def style(number: int) -> Iterator[None]:
    """Within it figures are drawn alike; the number makes the names inside of one its own."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": f"nnlint-{number}"}):
        yield


def figure(height: float = 3.2) -> tuple[Figure, Any]:
    """One with one pair of axes, as wide as a page's column is."""
    drawn = Figure(figsize=(7.6, height), layout="constrained")
    return drawn, drawn.add_subplot()


def svg(drawn: Figure) -> str:
    """Its markup, for inside of a page: as wide as the column, in the colour of the text around."""
    text = io.StringIO()
    drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    markup = text.getvalue()
    markup = markup[markup.index("<svg") :].replace(_TEXT, "var(--soft)")
    # Nothing refers to these, and other figures of the page have the same; what is referred to is a hash.
    markup = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", markup)
    # Each text stands in a comment before it, too.
    markup = re.sub(r"<!--.*?-->\s*", "", markup, flags=re.DOTALL)
    head, _, rest = markup.partition(">")
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f"{head}>{rest}"


def plain(axis: Any) -> None:
    """Numbers on a logarithmic axis as people write them."""
    axis.set_major_formatter(_PLAIN)
    axis.set_minor_formatter(NullFormatter())


def key_above(axes: Any, columns: int) -> None:
    """The key of a figure over it, where it hides nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, columnspacing=1.2, handlelength=1.5
    )
