"""Whole scripts: sound ones stay silent under every rule, planted bugs are found and nothing else is."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from support import CHECKOUT, every_rule, mismatches

from nnlint.finding import Severity
from nnlint.page_text import expectations

LINTER = every_rule()
NAMES = {page.name for page in LINTER.pages}
STATIC = {page.name for page in LINTER.pages if "S" in page.tiers or not page.tiers}


def _scripts(folder: str) -> list[Path]:
    return sorted((CHECKOUT / "fixtures" / folder).glob("*.py"))


@pytest.mark.parametrize("path", _scripts("clean"), ids=lambda path: path.stem)
def test_a_sound_script_is_silent_under_every_rule(path: Path) -> None:
    report = LINTER.check([path])
    assert report.not_run == ()
    assert mismatches(report.findings, ()) == []


@pytest.mark.parametrize("path", _scripts("buggy"), ids=lambda path: path.stem)
def test_no_mark_is_a_misspelt_rule(path: Path) -> None:
    for mark in expectations(path.read_text(encoding="utf-8")):
        assert mark.name in NAMES or not difflib.get_close_matches(mark.name, NAMES, 1, 0.9), mark


@pytest.mark.parametrize("path", _scripts("buggy"), ids=lambda path: path.stem)
def test_the_planted_bugs_are_found_and_nothing_else(path: Path) -> None:
    marks = expectations(path.read_text(encoding="utf-8"))
    assert marks, "a buggy fixture marks its bugs with `# error: [rule-name]`"
    # A script may also mark what rules still to be written, or other tiers, will find.
    expected = [mark for mark in marks if mark.name in STATIC]
    report = LINTER.check([path])
    assert report.not_run == ()
    marked = {(expectation.row, expectation.name) for expectation in expected}
    # Advice is not a bug: it may stand unmarked.
    findings = [
        finding
        for finding in report.findings
        if finding.severity is not Severity.INFO or (finding.span.start.row, finding.name) in marked
    ]
    assert mismatches(findings, expected) == []
