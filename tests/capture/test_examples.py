"""The examples on pages of rules that judge a run are run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import mismatches

from nnlint.capture.plan import Request
from nnlint.comparing import Against
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.finding import Tier
from nnlint.page import Page, load_pages
from nnlint.page_text import Example
from nnlint.searching import capacities

PAGES = [page for page in load_pages() if {"E", "G"}.intersection(page.tiers) and "S" not in page.tiers]


@pytest.mark.parametrize(
    ("page", "example"),
    [
        pytest.param(page, example, id=f"{page.name}.md:{example.line}: {example.kind}")
        for page in PAGES
        for example in page.examples
    ],
)
def test_an_example_that_is_run_shows_what_the_page_says(
    page: Page, example: Example, tmp_path: Path
) -> None:
    script = tmp_path / "example.py"
    script.write_text(example.text, encoding="utf-8")
    # By the page's own rule: what others see in a toy (unscaled data, a loop of few steps) is theirs to show.
    # What is done only if it is asked for is asked for in the paragraph above the example.
    asked = re.search(r"`--capacity ([^`]+)`", example.description)
    capacity = capacities(asked[1]) if asked else None
    other = None
    if "`--against` " in example.description:
        # The first good example is what the others are compared with.
        good = next(entry for entry in page.examples if entry.kind == "good")
        (tmp_path / "other.py").write_text(good.text, encoding="utf-8")
        other = Against(str(tmp_path / "other.py"))
    together = re.search(r"`--nproc-per-node (\d+)`", example.description)
    request = Request(str(script), seconds=240, ranks=int(together[1]) if together else 0)
    linter = Linter.load(Config(select=(page.code,)))
    report, seen = examine(linter, request, capacity=capacity, other=other)
    assert bool(report.results) == (bool(asked or other) and example.kind == "good")
    assert report.not_run == (), seen.output
    findings = [finding for finding in report.findings if finding.tier is not Tier.STATIC]
    assert (example.kind == "good") == (page.name not in {entry.name for entry in example.expectations})
    own = [entry for entry in example.expectations if entry.name == page.name]
    assert mismatches(findings, own) == []
