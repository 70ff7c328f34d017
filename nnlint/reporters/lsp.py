"""`PublishDiagnosticsParams` of the Language Server Protocol: one JSON object a file, each on its line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnlint.finding import Finding, Position, Report, Severity, Span
from nnlint.lines import split_lines

_LEVELS = {Severity.ERROR: 1, Severity.WARNING: 2, Severity.INFO: 3}


def render(report: Report, *, color: bool = False) -> str:
    """The findings by file (of a notebook: by cell), whatever `color` says; nothing for a clean report."""
    del color
    lines = {name: split_lines(text) for name, text in report.sources.items()}
    by_file: dict[str, list[dict[str, Any]]] = {}
    for finding in report.findings:
        uri = _uri(finding.filename, finding.cell)
        by_file.setdefault(uri, []).append(diagnostic(finding, lines))
    return "".join(
        json.dumps({"uri": uri, "diagnostics": found}, ensure_ascii=False) + "\n"
        for uri, found in by_file.items()
    )


def diagnostic(finding: Finding, lines: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The finding as a `Diagnostic`; `lines` are those of each file, by `shown_name`."""
    return {
        "range": _range(finding.span, lines.get(finding.shown_name, ())),
        "severity": _LEVELS[finding.severity],
        "code": finding.code,
        "codeDescription": {"href": finding.url},
        "source": "nnlint",
        "message": finding.message,
        "relatedInformation": [
            {
                "location": {
                    "uri": _uri(related.filename, related.cell),
                    "range": _range(related.span, lines.get(related.shown_name, ())),
                },
                "message": related.message,
            }
            for related in finding.related
        ],
        "data": {"name": finding.name, "tier": finding.tier.value},
    }


def _uri(filename: str, cell: int | None) -> str:
    uri = Path(filename).absolute().as_uri()
    return uri if cell is None else f"{uri}#cell{cell}"


def _range(span: Span, lines: Sequence[str]) -> dict[str, Any]:
    return {"start": _position(span.start, lines), "end": _position(span.end, lines)}


def _position(position: Position, lines: Sequence[str]) -> dict[str, int]:
    """Counted from 0, the column in UTF-16 code units."""
    column = position.column - 1
    line = lines[position.row - 1] if 0 < position.row <= len(lines) else ""
    wide = sum(ord(character) > 0xFFFF for character in line[:column])
    return {"line": position.row - 1, "character": column + wide}
