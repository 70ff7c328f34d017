"""One JSON object; its keys are a contract (version 1)."""

from __future__ import annotations

import json

from nnlint import __version__
from nnlint.finding import Report
from nnlint.statistics import by_rule


def render(report: Report, *, color: bool = False) -> str:
    """The report as indented JSON, whatever `color` says."""
    del color
    head = {"version": 1, "tool": {"name": "nnlint", "version": __version__}}
    return json.dumps({**head, **report.to_dict()}, indent=2, ensure_ascii=False) + "\n"


def statistics(report: Report, *, color: bool = False) -> str:
    """How often each rule has spoken, as an array."""
    del color
    counts = [count.to_dict() for count in by_rule(report)]
    return json.dumps(counts, indent=2, ensure_ascii=False) + "\n"
