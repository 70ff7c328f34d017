"""The gate never loses a finding: on what it calls silent, libcst's tree has nothing to show either.

A file that it lets through is read again as if there were no gate, so nothing else can differ. `python
tests/gate.py DIR …` tries the same on any code.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support import CHECKOUT, every_rule

from nnlint import source_tier
from nnlint.page import load_pages
from nnlint.source_tier import may_speak
from nnlint.static.gate import silent
from nnlint.static.source import Source

RULES = [rule for rule in every_rule().rules if "S" in rule.page.tiers]
EXAMPLES = [
    (f"{page.name}:{example.line}", example.text)
    for page in load_pages()
    if "S" in page.tiers
    for example in page.content.examples
]
FIXTURES = [
    (path.name, path.read_text(encoding="utf-8")) for path in sorted((CHECKOUT / "fixtures").glob("*/*.py"))
]


def lost(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str] | None:
    """What the gate keeps from the reader of a file; None where it lets the file through."""
    source = Source.from_bytes(text.encode(), "x.py")
    due = [rule for rule in RULES if may_speak(rule, text)]
    if not silent(due, source):
        return None
    with monkeypatch.context() as patch:
        patch.setattr("nnlint.static.gate.silent", lambda *_: False)
        findings, not_run = source_tier.run(due, source)
    return [*(finding.message for finding in findings), *(entry.why for entry in not_run)]


@pytest.mark.parametrize(
    "texts",
    [pytest.param(EXAMPLES[i::8], id=f"examples {i + 1}") for i in range(8)]
    + [pytest.param(FIXTURES[i::4], id=f"fixtures {i + 1}") for i in range(4)],
)
def test_no_finding_is_lost(texts: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    results = {name: lost(text, monkeypatch) for name, text in texts}
    assert {name: result for name, result in results.items() if result} == {}
    # Good examples and clean scripts are judged by the sketch alone.
    assert sum(result is not None for result in results.values()) > len(texts) / 3


def test_the_test_above_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    path = CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py"
    monkeypatch.setitem(globals(), "silent", lambda *_: True)
    assert lost(Path(path).read_text(encoding="utf-8"), monkeypatch)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import torch\nprint 1\n", id="a syntax error"),
        pytest.param("import torch\nx = " + "(" * 5000 + ")" * 5000, id="deep nesting"),
        pytest.param("import torch\nmatch x:\n    case 1: pass\n", id="what the sketch does not know"),
    ],
)
def test_what_cannot_be_sketched_goes_through(text: str) -> None:
    assert not silent(RULES, Source.from_bytes(text.encode(), "x.py"))
    assert not silent([], Source.from_bytes(text.encode(), "x.py"))
