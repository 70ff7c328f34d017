"""One self-contained page, as `nnlint run --report` writes it, of what was found."""

from __future__ import annotations

import sys

from nnlint.finding import Report


def render(report: Report, *, color: bool = False) -> str:
    """The page, whatever `color` says; ImportError if jinja2 is not installed."""
    del color
    from nnlint.report.document import build

    return build(report, command=["nnlint", *sys.argv[1:]])
