"""The figures of a run, drawn with matplotlib from what the continuations have measured.

Looked at beside it: plotly, whose every page carries 4.7 MB of JavaScript and is empty without it (a mail, a
printer, a page that forbids scripts), and pygal, which writes small SVG without either, but has neither maps
nor logarithmic colours and by default fetches a script from elsewhere. matplotlib writes all of them as SVG
whose text stays text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.report import courses, layers
from nnlint.report.drawn import COLOURS, Drawn, figure, key_above, plain, style, svg

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

_DASHES = ("-", "--", "-.")


def of(seen: Capture) -> Iterator[Drawn]:
    """Every figure that there is something to draw in."""
    for number, draw in enumerate((_losses, _range, *layers.FIGURES)):
        with style(number):
            drawn = draw(seen)
        if drawn is not None:
            yield drawn


def _losses(seen: Capture) -> Drawn | None:
    found = courses.courses(seen)
    if not found:
        return None
    drawn, axes = figure(3.4 + 0.2 * (len(found) // 3))
    for number, course in enumerate(found):
        # More curves than colours are told apart by their dashes.
        colour, dashes = COLOURS[number % len(COLOURS)], _DASHES[number // len(COLOURS) % len(_DASHES)]
        updates = range(1, len(course.losses) + 1)
        axes.plot(updates, course.losses, color=colour, linestyle=dashes, label=course.name, linewidth=1.4)
    if courses.logarithmic([loss for course in found for loss in course.losses]):
        axes.set_yscale("log")
        plain(axes.yaxis)
    level = courses.chance(seen)
    if level is not None:
        axes.axhline(level, color=COLOURS[5], linestyle=":", label=f"chance {level:.4g}")
    axes.set_xlabel("update")
    axes.set_ylabel("loss")
    key_above(axes, 3)
    ends = "; ".join(f"{course.name}: {course.losses[0]:.4g} to {course.losses[-1]:.4g}" for course in found)
    caption = f"The script's own loop, continued from its first step. {ends}."
    if level is not None:
        caption += f" A network that knows nothing has a loss of {level:.4g}"
        few = courses.chance_of_few(seen)
        caption += (
            "."
            if few is None
            else f"; one that knows only how often what comes among the ten samples, {few:.4g}."
        )
    return Drawn("Loss", caption, svg(drawn))


def _range(seen: Capture) -> Drawn | None:
    both = courses.suggested(seen)
    if both is None:
        return None
    measured, found = both
    drawn, axes = figure()
    axes.plot(measured.rates[: len(found.smoothed)], found.smoothed, color=COLOURS[0], linewidth=1.4)
    axes.axvline(measured.own, color=COLOURS[1], linestyle="--", label=f"the script's rate {measured.own:g}")
    axes.axvline(found.suggestion, color=COLOURS[3], label=f"suggested {found.suggestion:.2g}")
    text = f"Suggested is {found.suggestion:.2g}, the script's is {measured.own:g}"
    if found.diverges is not None:
        axes.axvline(
            found.diverges, color=COLOURS[4], linestyle=":", label=f"diverges at {found.diverges:.2g}"
        )
        text += f", and from {found.diverges:.2g} on the loss diverges"
    # Where the loss diverges it would press all else to the ground.
    lowest = min(range(len(found.smoothed)), key=found.smoothed.__getitem__)
    low, high = found.smoothed[lowest], max(found.smoothed[: lowest + 1])
    axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))
    axes.set_xscale("log")
    plain(axes.xaxis)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    key_above(axes, 3)
    caption = f"The loss while the rate grows from step to step. {text}."
    return Drawn("Learning-rate range test", caption, svg(drawn))
