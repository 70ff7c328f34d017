"""SARIF 2.1.0, as code scanning services read it; within the limits that GitHub sets for an upload."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from nnlint import __version__
from nnlint.finding import Finding, Fix, NotRun, Related, Report, Severity, Span
from nnlint.fingerprint import fingerprints
from nnlint.page import PageError, find_pages_dir, load_page

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_TIERS = {"S": "static", "G": "graph", "E": "experiment"}

# docs.github.com, "SARIF support for code scanning": results in a run, characters of a description.
MOST_RESULTS = 25_000
LONGEST_DESCRIPTION = 1_024


def render(report: Report, *, color: bool = False) -> str:
    """The report as indented JSON, whatever `color` says."""
    del color
    # If some must go, the gravest stay.
    ranked = sorted(
        zip(report.findings, _hashes(report), strict=True),
        key=lambda pair: (pair[0].severity.rank, pair[0].sort_key),
    )
    shown = sorted(ranked[:MOST_RESULTS], key=lambda pair: pair[0].sort_key)
    rules = {finding.code: finding for finding, _ in shown}
    index = {code: number for number, code in enumerate(sorted(rules))}
    notes = [_notification(entry) for entry in report.not_run]
    if len(ranked) > len(shown):
        left = f"{len(ranked) - len(shown)} findings are left out: a run holds at most {MOST_RESULTS}"
        notes.append({"level": "warning", "message": {"text": left}})
    run = {
        "tool": {
            "driver": {
                "name": "nnlint",
                "semanticVersion": __version__,
                "version": __version__,
                "rules": [_rule(rules[code]) for code in index],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": not report.not_run, "toolExecutionNotifications": notes},
        ],
        "results": [_result(finding, index[finding.code], key) for finding, key in shown],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _hashes(report: Report) -> list[str]:
    """The fingerprint of each finding, with a number: the same code may stand in a file more than once."""
    met: Counter[tuple[str, str]] = Counter()
    hashes = []
    for finding, key in zip(report.findings, fingerprints(report.findings, report.sources), strict=True):
        met[finding.filename, key] += 1
        hashes.append(f"{key}:{met[finding.filename, key]}")
    return hashes


def _rule(finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": finding.code, "name": finding.name, "helpUri": finding.url}
    try:
        page = load_page(find_pages_dir() / f"{finding.name}.md")
        why = page.sections["Why this is bad"]
    except PageError:
        # A report may come from elsewhere and name a rule unknown here.
        return rule
    body = page.markdown
    return {
        **rule,
        "shortDescription": {"text": _cut(page.lead)},
        "fullDescription": {"text": _cut(" ".join(why.split()))},
        "help": {"text": f"{page.lead}\n\n{why}", "markdown": body},
        "defaultConfiguration": {"enabled": page.default, "level": _LEVELS[page.severity]},
        "properties": {"tags": ["pytorch", *(_TIERS[tier] for tier in page.tiers)]},
    }


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[: LONGEST_DESCRIPTION - 1]}…"


def _result(finding: Finding, index: int, key: str) -> dict[str, Any]:
    text = finding.message
    if finding.cell is not None:
        text = f"cell {finding.cell}, line {finding.span.start.row}: {text}"
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(finding)],
        "partialFingerprints": {"primaryLocationLineHash": key},
        "properties": {"tier": finding.tier.value},
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": related.message}, **_location(related)}
            for number, related in enumerate(finding.related, 1)
        ]
    if finding.fix and finding.cell is None:
        result["fixes"] = [_fix(finding.fix, finding.filename)]
    return result


def _location(place: Finding | Related) -> dict[str, Any]:
    artifact = {"uri": _uri(place.filename)}
    if place.cell is None:
        return {"physicalLocation": {"artifactLocation": artifact, "region": _region(place.span)}}
    # Lines of the file are lines of JSON: the message and the logical location tell the cell's.
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": place.shown_name, "kind": "module"}],
    }


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.start.row,
        "startColumn": span.start.column,
        "endLine": span.end.row,
        "endColumn": span.end.column,
    }


def _fix(fix: Fix, filename: str) -> dict[str, Any]:
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.content}} for edit in fix.edits
    ]
    return {
        "description": {"text": fix.message},
        "artifactChanges": [{"artifactLocation": {"uri": _uri(filename)}, "replacements": replacements}],
        "properties": {"applicability": fix.applicability.value},
    }


def _uri(filename: str) -> str:
    """Relative to the current folder, which is the repository's top in CI, where it is inside."""
    path = PurePath(filename)
    if path.is_absolute():
        if not path.is_relative_to(Path.cwd()):
            return path.as_uri()
        path = path.relative_to(Path.cwd())
    return quote(path.as_posix())


def _notification(entry: NotRun) -> dict[str, Any]:
    note: dict[str, Any] = {"level": "error", "message": {"text": f"{entry.what}: {entry.why}"}}
    if entry.filename:
        note["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": _uri(entry.filename)}}}]
    return note
