"""Findings are plain values: ordered, hashable, and the same after a trip through JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.finding import (
    Applicability,
    Edit,
    Finding,
    Fix,
    NotRun,
    Position,
    Related,
    Report,
    Result,
    Severity,
    Span,
    Tier,
)

positions = st.builds(Position, st.integers(1, 99), st.integers(1, 99))
spans = st.builds(Span, positions, positions)
words = st.text(max_size=8)
cells = st.none() | st.integers(1, 9)
related = st.builds(Related, words, words, spans, cells)
edits = st.builds(Edit, spans, words, cells)
fixes = st.builds(Fix, words, st.sampled_from(Applicability), st.lists(edits, max_size=2).map(tuple))
findings = st.builds(
    Finding,
    code=st.from_regex(r"NNL\d{3}", fullmatch=True),
    name=words,
    message=words,
    filename=words,
    span=spans,
    severity=st.sampled_from(Severity),
    tier=st.sampled_from(Tier),
    url=words,
    fix=st.none() | fixes,
    related=st.lists(related, max_size=2).map(tuple),
    evidence=st.dictionaries(words, st.integers() | words, max_size=2),
    cell=cells,
)
reports = st.builds(
    Report,
    findings=st.lists(findings, max_size=3).map(tuple),
    not_run=st.lists(st.builds(NotRun, words, words, words), max_size=2).map(tuple),
    results=st.lists(st.builds(Result, words, words, words), max_size=2).map(tuple),
    skipped=st.lists(st.builds(NotRun, words, words, words), max_size=2).map(tuple),
    files=st.integers(0, 9),
    seconds=st.integers(0, 9).map(float),
)


@given(reports)
def test_a_report_survives_json(report: Report) -> None:
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


@given(st.lists(findings, max_size=4))
def test_findings_are_ordered_by_path_cell_row_column_code(some: list[Finding]) -> None:
    keys = [(f.filename, f.cell or 0, f.span.start.row, f.span.start.column) for f in sorted(some)]
    assert keys == sorted(keys)
    assert len(set(some)) <= len(some)


def _report(*severities: Severity, not_run: int = 0) -> Report:
    span = Span.of(1, 1, 1, 2)
    made = [Finding("NNL999", "n", "m", "a.py", span, severity, Tier.STATIC, "") for severity in severities]
    return Report(tuple(made), (NotRun("read", "why"),) * not_run)


@pytest.mark.parametrize(
    ("report", "fail_on", "status"),
    [
        pytest.param(_report(), Severity.INFO, 0, id="nothing found"),
        pytest.param(_report(Severity.INFO), Severity.INFO, 1, id="a note counts by default"),
        pytest.param(_report(Severity.INFO), Severity.WARNING, 0, id="a note is below a warning"),
        pytest.param(_report(Severity.ERROR, Severity.INFO), Severity.ERROR, 1, id="an error always counts"),
        pytest.param(_report(Severity.ERROR, not_run=1), Severity.INFO, 2, id="not run outranks findings"),
    ],
)
def test_the_exit_status(report: Report, fail_on: Severity, status: int) -> None:
    assert report.status(fail_on) == status
