"""Every example of every page is executed: the page cannot promise what the rule does not do."""

from __future__ import annotations

import pytest
from support import every_rule, mismatches

from nnlint import fixes
from nnlint.finding import Finding
from nnlint.page import Page, load_pages
from nnlint.page_text import Example

LINTER = every_rule()
# Pages that speak of the recorded graph or of experiments only are executed by those tiers' tests.
PAGES = [page for page in load_pages() if "S" in page.tiers or not page.tiers]
FIXABLE = [page for page in PAGES if page.fix]


def _id(page: Page, example: Example) -> str:
    return f"{page.name}.md:{example.line}: {example.description or example.kind}"


def _examples(kind: str) -> list[object]:
    return [
        pytest.param(page, example, id=_id(page, example))
        for page in PAGES
        for example in page.examples
        if example.kind == kind
    ]


def _findings(text: str) -> tuple[Finding, ...]:
    report = LINTER.check_text(text, "example.py")
    assert report.not_run == ()
    return report.findings


@pytest.mark.parametrize(("page", "example"), _examples("bad"))
def test_a_bad_example_is_reported_on_exactly_its_marked_lines(page: Page, example: Example) -> None:
    listed = {expectation.name for expectation in example.expectations}
    assert page.name in listed
    # What other rules say about a bad example is their pages' business, unless it is listed here.
    findings = [finding for finding in _findings(example.text) if finding.name in listed]
    assert mismatches(findings, example.expectations) == []


@pytest.mark.parametrize(("page", "example"), _examples("good"))
def test_a_good_example_is_silent_under_every_rule(page: Page, example: Example) -> None:
    assert mismatches(_findings(example.text), ()) == [], page.path


@pytest.mark.parametrize("page", FIXABLE, ids=lambda page: page.name)
def test_a_promised_fix_compiles_removes_its_finding_and_is_final(page: Page) -> None:
    fixed_any = False
    for example in page.examples:
        own = [finding for finding in _findings(example.text) if finding.code == page.code]
        if not any(finding.fix for finding in own):
            continue
        fixed_any = True
        text = example.text
        # Fixes that touch each other are applied one a round.
        for _ in own:
            found = [finding for finding in _findings(text) if finding.code == page.code]
            text = fixes.apply(text, [finding.fix for finding in found if finding.fix])
        compile(text, f"fixed {page.name}.md:{example.line}", "exec")
        left = [finding for finding in _findings(text) if finding.code == page.code]
        assert not any(finding.fix for finding in left), text
        assert len(left) == sum(finding.fix is None for finding in own), text
    assert fixed_any, f"{page.path} promises a fix that no example shows"
