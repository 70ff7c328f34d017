"""Whole scripts with bugs that only a run shows: each is found on its line, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import CHECKOUT, mismatches

from nnlint.capture.plan import Request
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.finding import Severity, Tier
from nnlint.page_text import Expectation, expectations

LINTER = Linter.load(Config(select=("ALL",)))
# What takes several processes is run by tests/capture/test_ranks.py.
RUN_ONLY = {
    page.name
    for page in LINTER.pages
    if "E" in page.tiers and "S" not in page.tiers and not page.code.startswith("NNL8")
}
# What the experiments conclude follows from bugs that other rules name: it is looked at where it is marked.
CONCLUDED = {page.name for page in LINTER.pages if page.code.startswith("NNL9")}
CAUSES = Linter.load(Config(select=("ALL",), ignore=("NNL9",)))


def _marked() -> list[tuple[Path, tuple[Expectation, ...]]]:
    found = []
    for path in sorted((CHECKOUT / "fixtures/buggy").glob("*.py")):
        marks = tuple(
            mark for mark in expectations(path.read_text(encoding="utf-8")) if mark.name in RUN_ONLY
        )
        if marks:
            found.append((path, marks))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("path", "marks"), [pytest.param(*entry, id=entry[0].stem) for entry in _marked()])
def test_what_only_a_run_shows_is_found(path: Path, marks: tuple[Expectation, ...]) -> None:
    linter = LINTER if CONCLUDED.intersection(mark.name for mark in marks) else CAUSES
    report, seen = examine(linter, Request(str(path), seconds=240))
    assert report.not_run == (), seen.output
    expected = {(mark.row, mark.name) for mark in marks}
    findings = [
        finding
        for finding in report.findings
        if finding.tier is Tier.EXPERIMENT
        and (finding.severity is not Severity.INFO or (finding.span.start.row, finding.name) in expected)
    ]
    assert mismatches(findings, marks) == []
