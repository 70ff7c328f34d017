"""Puts the page together: verdict, findings in the marked source, figures, graph, batch, environment."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

import nnlint
from nnlint import registry
from nnlint.capture.plan import SEED
from nnlint.finding import Finding, Report, Severity
from nnlint.lines import split_lines
from nnlint.report.verdict import verdict

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Lines of the source above and below a finding.
_AROUND = 3
# Longer lines and texts are cut: they may come from generated code.
_LONGEST, _LONGEST_TEXT = 400, 1000
# Those whose version may decide what a script does.
_PACKAGES = ("torch", "torchvision", "numpy", "lightning", "transformers", "accelerate", "torch_geometric")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a code frame; `marked` is the part that the finding is about."""

    number: int
    before: str
    marked: str
    after: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as the page shows it."""

    finding: Finding
    lines: tuple[Line, ...]
    page: Markup


def build(report: Report, seen: Capture | None = None, command: Sequence[str] = ()) -> str:
    """The whole page. Everything that comes from the script is escaped; nothing is fetched from elsewhere."""
    loader = PackageLoader("nnlint.report", "")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_cut,
    )
    environment.filters["spoken"] = _spoken
    looked: dict[str, object] = {"figures": (), "pictures": (), "around": (), "preview": None}
    if seen is not None:
        looked = _looked(report, seen)
    return environment.get_template("page.html").render(
        report=report,
        verdict=verdict(report),
        counts={
            level.value: sum(finding.severity is level for finding in report.findings) for level in Severity
        },
        findings=list(_shown(report)),
        seen=seen,
        # To be copied, so as long as it is.
        command=Markup.escape(shlex.join(command)),
        environment=[*_environment(), *(_run(seen) if seen is not None else ())],
        version=nnlint.__version__,
        **looked,
    )


def _looked(report: Report, seen: Capture) -> dict[str, object]:
    """What the page shows of a run."""
    from nnlint.report import batch, figures, recorded

    pictures = recorded.pictures(seen, report.findings)
    preview = batch.preview_of(seen)
    return {
        "figures": list(figures.of(seen)),
        "pictures": pictures,
        "around": {picture.finding for picture in pictures},
        "preview": preview,
        "parts": batch.shown(preview) if preview else [],
        "captions": batch.captions(preview) if preview else [],
    }


def _cut(value: object) -> object:
    """What is written to the page; a browser takes minutes to lay out tables of endless words."""
    if isinstance(value, str) and not isinstance(value, Markup) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}…"
    return value


def _spoken(message: str) -> Markup:
    """A message with what stands between backquotes set as code."""
    parts = [str(_cut(part)) for part in message.split("`")]
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if at % 2 else part for at, part in enumerate(parts))


def _shown(report: Report) -> Iterator[Shown]:
    pages = {page.code: page for page in registry.pages()}
    # Without HTML of its own: a page is data.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    rendered: dict[str, Markup] = {}
    for finding in report.findings:
        page = pages.get(finding.code)
        if page is not None and finding.code not in rendered:
            rendered[finding.code] = Markup(markdown.render(page.markdown))
        source = report.sources.get(finding.shown_name, "")
        yield Shown(finding, _frame(finding, split_lines(source)), rendered.get(finding.code, Markup("")))


def _frame(finding: Finding, lines: Sequence[str]) -> tuple[Line, ...]:
    start, end = finding.span.start, finding.span.end
    shown = []
    for number in range(max(1, start.row - _AROUND), min(len(lines), start.row + _AROUND) + 1):
        text = lines[number - 1][:_LONGEST]
        if number == start.row:
            stop = end.column - 1 if end.row == start.row else len(text)
            cut = (text[: start.column - 1], text[start.column - 1 : stop], text[stop:])
        else:
            cut = (text, "", "")
        shown.append(Line(number, *cut))
    return tuple(shown)


def _environment() -> Iterator[tuple[str, str]]:
    yield "nnlint", nnlint.__version__
    yield "Python", platform.python_version()
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)
    yield "system", f"{platform.platform()}, {os.cpu_count()} processors"
    yield "interpreter", sys.executable
    yield "folder", str(Path.cwd())


def _run(seen: Capture) -> Iterator[tuple[str, str]]:
    yield "seeds", f"{SEED} for random, NumPy and torch, unless the script sets its own; PYTHONHASHSEED is 0"
    if seen.rerun:
        yield "run", "anew for each continuation, not forked"
