"""The one sentence that a tired person reads first."""

from __future__ import annotations

from nnlint.finding import Report, Severity


def verdict(report: Report) -> tuple[str, str]:
    """What to think of it: a word for the colour, and the sentence."""
    errors, warnings = (
        sum(finding.severity is level for finding in report.findings)
        for level in (Severity.ERROR, Severity.WARNING)
    )
    left = len(report.not_run)
    missing = f" {left} check{'' if left == 1 else 's'} could not be made." if left else ""
    if errors:
        things = "1 error" if errors == 1 else f"{errors} errors"
        return "error", f"Do not train yet: {things} found.{missing}"
    if warnings:
        things = (
            "1 thing that is very likely wrong"
            if warnings == 1
            else f"{warnings} things that are very likely wrong"
        )
        return "warning", f"Look before you train: {things}.{missing}"
    if report.not_run:
        return "warning", f"Nothing was found, but not everything was looked at.{missing}"
    return "good", "Nothing was found."
