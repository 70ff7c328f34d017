"""A glimpse of a file loses nothing: where it is believed, libcst's tree has the same findings to show.

A file of which there is no glimpse is read on libcst's tree, so nothing else can differ. `python
tests/glimpses.py DIR …` tries the same on any code.
"""

from __future__ import annotations

import pytest
from glimpses import Seen, both
from support import CHECKOUT, every_rule

from nnlint import source_tier
from nnlint.page import load_pages
from nnlint.registry import looking_at
from nnlint.static.source import Source, SourceError

RULES = looking_at("S", every_rule().rules)
EXAMPLES = [
    (f"{page.name}:{example.line}", example.text)
    for page in load_pages()
    if "S" in page.tiers
    for example in page.content.examples
]
FIXTURES = [
    (path.name, path.read_text(encoding="utf-8")) for path in sorted((CHECKOUT / "fixtures").glob("*/*.py"))
]


def source_of(text: str) -> Source:
    return Source.from_bytes(text.encode(), "x.py")


@pytest.mark.parametrize(
    "texts",
    [pytest.param(EXAMPLES[i::8], id=f"examples {i + 1}") for i in range(8)]
    + [pytest.param(FIXTURES[i::4], id=f"fixtures {i + 1}") for i in range(4)],
)
def test_no_finding_is_lost_and_none_is_changed(texts: list[tuple[str, str]]) -> None:
    results = {name: both(RULES, source_of(text)) for name, text in texts}
    assert {name: seen for name, seen in results.items() if seen and seen.glimpsed != seen.read} == {}
    # Most files need no libcst, those with findings among them.
    seen = [seen for seen in results.values() if seen]
    assert sum(each.sure for each in seen) > len(texts) / 2
    assert any(each.glimpsed[0] for each in seen)


def test_the_test_above_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py").read_text(encoding="utf-8")
    monkeypatch.setattr(source_tier, "glimpse", lambda *_: (([], {}, []), []))
    seen = both(RULES, source_of(text))
    assert isinstance(seen, Seen)
    assert seen.glimpsed != seen.read


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import torch\nprint 1\n", id="a syntax error"),
        pytest.param("import torch\nx = " + "(" * 5000 + ")" * 5000, id="deep nesting"),
        pytest.param("import torch\nmatch x:\n    case 1: pass\n", id="what the sketch does not know"),
    ],
)
def test_there_is_no_glimpse_of_what_cannot_be_sketched(text: str) -> None:
    assert source_tier.glimpse(RULES, source_of(text)) is None
    assert source_tier.glimpse([], source_of(text)) is None


def test_a_broken_file_is_refused_even_if_no_rule_is_due() -> None:
    with pytest.raises(SourceError):
        source_tier.run([], source_of("import torch\nprint 1\n"))
    assert source_tier.run([], source_of("import torch\n")) == ([], [])
