"""Spelling and layout do not decide what is found: a fixture written differently has the same bugs."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from rewritings import REWRITINGS, Rewriting, renamed
from support import CHECKOUT, every_rule

LINTER = every_rule()

# Which data a set holds may stand in nothing but its name, and a misspelt attribute is its name.
BY_NAME = {
    "augmented-evaluation",
    "backward-on-validation",
    "evaluating-on-training-data",
    "misspelt-attribute",
    "selection-on-test",
}


@cache
def _found(text: str) -> Counter[str]:
    report = LINTER.check_text(text)
    assert report.not_run == ()
    return Counter(finding.name for finding in report.findings)


@pytest.mark.slow
@pytest.mark.parametrize("rewriting", REWRITINGS, ids=lambda rewriting: rewriting.__name__)
@pytest.mark.parametrize("path", sorted(CHECKOUT.glob("fixtures/*/*.py")), ids=lambda path: path.stem)
def test_a_script_written_differently_has_the_same_bugs(path: Path, rewriting: Rewriting) -> None:
    text = path.read_text(encoding="utf-8")
    before, after = _found(text), _found(rewriting(text))
    lost = before - after
    assert after - before == Counter()
    assert set(lost) <= (BY_NAME if rewriting is renamed else set())
