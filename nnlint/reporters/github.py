"""Workflow commands of GitHub Actions: each finding becomes an annotation at its line of the change."""

from __future__ import annotations

from nnlint.finding import Finding, Report, Severity

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report, *, color: bool = False) -> str:
    """One command a line, whatever `color` says; nothing for a clean report."""
    del color
    commands = [_finding(finding) for finding in report.findings]
    for entry in report.not_run:
        said = ": ".join(filter(None, (entry.filename, entry.what, entry.why)))
        commands.append(_command("error", {"title": "nnlint: not run"}, said))
    return "".join(f"{command}\n" for command in commands)


def _finding(finding: Finding) -> str:
    start, end = finding.span.start, finding.span.end
    place: dict[str, object] = {"file": finding.filename, "line": start.row}
    message = finding.message
    if finding.cell is not None:
        # GitHub counts lines of the notebook's JSON, which no one reads.
        place["line"] = 1
        message = f"cell {finding.cell}, line {start.row}: {message}"
    elif start.row == end.row:
        place |= {"endLine": end.row, "col": start.column, "endColumn": end.column}
    else:
        # Columns are refused for several lines.
        place |= {"endLine": end.row}
    title = f"{finding.code} {finding.name}"
    return _command(_LEVELS[finding.severity], {**place, "title": title}, message)


def _command(level: str, properties: dict[str, object], message: str) -> str:
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{level} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
