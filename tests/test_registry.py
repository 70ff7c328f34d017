"""The registry: selection, and the ways in which pages and modules can fail to fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import make_page

import nnlint.page
import nnlint.rules
from nnlint import registry
from nnlint.newrule import MODULE, PAGE, write
from nnlint.registry import RegistryError, SelectorError

SECOND = "class Second(Rule):\n    def check_source(self, script): yield\n\n\n"

PAGES = (
    make_page("syntax-error", "NNL000", tier="none"),
    make_page("bare-squeeze", "NNL102"),
    make_page("missing-eval-mode", "NNL303"),
    make_page("no-seed", "NNL704", default="off"),
)


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        pytest.param({}, "000 102 303", id="the default set"),
        pytest.param({"select": ["ALL"]}, "000 102 303 704", id="all"),
        pytest.param({"select": ["NNL"]}, "000 102 303 704", id="the widest prefix"),
        pytest.param({"select": ["NNL3"]}, "000 303", id="a prefix"),
        pytest.param({"select": ["NNL704"]}, "000 704", id="a code that is off by default"),
        pytest.param({"select": ["no-seed", "nnl102"]}, "000 102 704", id="a name and a lower-case code"),
        pytest.param({"extend_select": ["no-seed"]}, "000 102 303 704", id="the default set and more"),
        pytest.param({"ignore": ["NNL1"]}, "000 303", id="the default set and less"),
        pytest.param({"select": ["ALL"], "ignore": ["ALL"]}, "", id="nothing"),
        pytest.param({"ignore": ["syntax-error"]}, "102 303", id="the tool's own word ignored by name"),
        pytest.param({"extend_select": ["NNL7"], "ignore": ["no-seed"]}, "000 102 303", id="ignore wins"),
    ],
)
def test_a_selection_gives_codes(options: dict[str, list[str]], codes: str) -> None:
    assert sorted(registry.select(PAGES, **options)) == [f"NNL{code}" for code in codes.split()]


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("NNL999", "NNL"),
        ("missing-eval-mod", "did you mean `missing-eval-mode`?"),
        ("303", "did you mean `NNL303`?"),
        ("zzzzz", "`nnlint rules` lists them all"),
        ("NNL3033", "did you mean `NNL303`?"),
        ("", "selects no rule"),
    ],
)
def test_a_selector_that_selects_nothing_is_an_error_with_a_hint(selector: str, hint: str) -> None:
    with pytest.raises(SelectorError) as caught:
        registry.select(PAGES, ignore=[selector])
    assert hint in str(caught.value)


def test_a_page_is_found_by_code_or_name_but_not_by_prefix() -> None:
    assert registry.find(PAGES, "nnl303") is registry.find(PAGES, "Missing-Eval-Mode") is PAGES[2]
    with pytest.raises(SelectorError, match="no rule has the code or name `NNL3`"):
        registry.find(PAGES, "NNL3")


def test_the_rules_of_this_checkout_fit_their_pages() -> None:
    codes = {page.code for page in registry.pages() if page.tiers}
    assert {rule.page.code for rule in registry.rules()} == codes


def test_the_words_of_a_rule_that_is_not_imported_are_its_own() -> None:
    rules = registry.looking_at("S", registry.shelf())
    told = {rule: registry._words(rule.page.name) for rule in rules}
    assert all(words in (rule.words, ()) for rule, words in told.items())
    # The others are imported for every file, in more time.
    assert sum(words == () for words in told.values()) < 5


def test_only_rules_with_a_word_in_the_text_are_imported() -> None:
    rules = registry.shelf()
    due = registry.speaking(rules, "softmax")
    assert "softmax-dim" in {rule.page.name for rule in due}
    assert 0 < len(rules._loaded) < 20
    every = registry.speaking(tuple(registry.looking_at("S", rules)), "softmax")
    assert [rule.page.code for rule in due] == [rule.page.code for rule in every]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """An empty rule book and an empty folder of modules in place of the real ones."""
    pages, modules = tmp_path / "rules", tmp_path / "modules"
    pages.mkdir()
    modules.mkdir()
    monkeypatch.setattr(nnlint.rules, "__path__", [str(modules)])
    monkeypatch.setattr("nnlint.page.find_pages_dir", lambda: pages)
    monkeypatch.setattr("nnlint.rule.find_pages_dir", lambda: pages)
    yield pages, modules
    # A module imported from here must not answer for another test's.
    for name in [name for name in sys.modules if name.startswith("nnlint.rules.made_up")]:
        del sys.modules[name]


def test_two_files_make_a_rule(book: tuple[Path, Path]) -> None:
    write("made-up-rule", "NNL999", *book)
    (rule,) = registry.rules()
    assert rule.page.code == "NNL999"


def _fails(match: str) -> None:
    with pytest.raises(RegistryError, match=match) as caught:
        registry.rules()
    assert "\n" not in str(caught.value)


def test_a_page_without_a_module_is_an_error(book: tuple[Path, Path]) -> None:
    write("made-up-one", "NNL999", *book)[1].unlink()
    _fails(r"made-up-one.md:1: the page has no module nnlint.rules.made_up_one")


def test_a_module_without_a_page_is_an_error(book: tuple[Path, Path]) -> None:
    write("made-up-two", "NNL999", *book)[0].unlink()
    _fails(r"module nnlint.rules.made_up_two has no page made-up-two.md")


def test_a_page_of_the_tool_itself_has_no_module(book: tuple[Path, Path]) -> None:
    page, module = write("made-up-three", "NNL999", *book)
    page.write_text(page.read_text().replace("tier: S", "tier: none"))
    _fails(r"module nnlint.rules.made_up_three has no page")
    module.unlink()
    assert registry.rules() == ()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        pytest.param("yield from ()", "yield from (", "made_up_four: SyntaxError: ", id="does not parse"),
        pytest.param("from __future__", "import no_such\nfrom __future__", "made_up_four: ", id="no import"),
        pytest.param("(Rule):", ":", "exactly one Rule, not 0", id="no rule"),
        pytest.param("class", f"{SECOND}class", "exactly one Rule, not 2", id="two rules"),
        pytest.param("check_source", "check_sauce", "looks at tiers: none; .* says: S", id="no check"),
        pytest.param('("torch",)', '"torch"', "`words` is a tuple", id="words as a string"),
    ],
)
def test_a_broken_module_is_an_error(old: str, new: str, why: str, book: tuple[Path, Path]) -> None:
    module = write("made-up-four", "NNL999", *book)[1]
    assert old in MODULE
    module.write_text(module.read_text().replace(old, new, 1))
    _fails(why)


def test_a_broken_page_is_an_error(book: tuple[Path, Path]) -> None:
    page = write("made-up-five", "NNL999", *book)[0]
    page.write_text(PAGE.replace("severity: warning", "severity: grave"))
    with pytest.raises(RegistryError, match=r"made-up-five.md:2: "):
        registry.pages()


def test_only_the_modules_asked_for_are_imported(book: tuple[Path, Path]) -> None:
    write("made-up-six", "NNL998", *book)
    write("made-up-seven", "NNL999", *book)[1].write_text("this is no Python")
    assert [rule.page.code for rule in registry.rules(["NNL998"])] == ["NNL998"]
