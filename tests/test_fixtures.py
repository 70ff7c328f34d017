"""Whole scripts: sound ones stay silent under every rule, planted bugs are found and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import CHECKOUT, every_rule, mismatches

from nnlint.finding import Severity
from nnlint.page import expectations

LINTER = every_rule()


def _scripts(folder: str) -> list[Path]:
    return sorted((CHECKOUT / "fixtures" / folder).glob("*.py"))


@pytest.mark.parametrize("path", _scripts("clean"), ids=lambda path: path.stem)
def test_a_sound_script_is_silent_under_every_rule(path: Path) -> None:
    report = LINTER.check([path])
    assert report.not_run == ()
    assert mismatches(report.findings, ()) == []


@pytest.mark.parametrize("path", _scripts("buggy"), ids=lambda path: path.stem)
def test_the_planted_bugs_are_found_and_nothing_else(path: Path) -> None:
    expected = expectations(path.read_text(encoding="utf-8"))
    assert expected, "a buggy fixture marks its bugs with `# error: [rule-name]`"
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
