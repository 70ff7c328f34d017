"""The page parser: what it reads, and what it refuses with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import make_page

from nnlint.finding import Applicability, Severity
from nnlint.newrule import PAGE
from nnlint.page import PageError, load_page, load_pages, parse_page
from nnlint.page_text import Expectation, expectations

GOOD = PAGE.format(code="NNL999", name="some-rule", version="0.1.0")
PATH = Path("rules/some-rule.md")


def test_a_page_gives_its_facts() -> None:
    page = make_page(tier="S G", fix="unsafe", default="off")
    assert (page.code, page.name, page.tiers) == ("NNL999", "some-rule", ("S", "G"))
    assert (page.severity, page.default, page.fix) == (Severity.WARNING, False, Applicability.UNSAFE)
    assert page.lead == "Say in one sentence what is wrong with the code."
    assert page.sections["Known limits"] == "Say what the rule cannot see."
    assert page.body.startswith("# some-rule (NNL999)\n")
    assert page.url.endswith("/rules/some-rule.md")


def test_examples_carry_their_line_their_description_and_their_marks() -> None:
    bad, good, edge = parse_page(GOOD, PATH).examples
    assert [bad.kind, good.kind, edge.kind] == ["bad", "good", "good"]
    assert GOOD.splitlines()[bad.line - 1] == bad.text.splitlines()[0] == "import torch"
    assert bad.description == "Say what the author of this script meant."
    assert good.description == ""
    assert bad.expectations == (Expectation(3, "some-rule", "part of the message"),)


def test_a_page_for_the_tool_itself_has_no_tier() -> None:
    assert make_page(tier="none").tiers == ()


def test_a_page_about_a_command_has_no_tier_and_shows_how_it_is_called() -> None:
    with pytest.raises(PageError, match="needs at least one `console` example"):
        make_page(tier="command")
    text = GOOD.replace("tier: S", "tier: command").replace(
        "```py good", "```console\n$ nnlint\n```\n\n```py good"
    )
    page = parse_page(text, PATH)
    assert (page.tiers, page.command) == ((), True)


def test_a_lead_may_run_over_two_lines() -> None:
    text = GOOD.replace("Say in one sentence what", "Say in one sentence\nwhat")
    assert parse_page(text, PATH).lead == parse_page(GOOD, PATH).lead


def test_the_lead_of_a_page_is_the_one_that_the_strict_reading_finds() -> None:
    pages = load_pages()
    assert pages
    assert [page.lead for page in pages] == [page.content.lead for page in pages]


def test_blocks_of_other_languages_are_no_examples() -> None:
    text = GOOD.replace("Say what the rule cannot see.", "```text\n# not a title\n## nor a section\n```")
    assert len(parse_page(text, PATH).examples) == 3


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        pytest.param("---\ncode", "code", 1, "front matter", id="no front matter"),
        pytest.param("\n---\n# ", "\n# ", 9, "`key: value` lines", id="front matter never closed"),
        pytest.param("code: NNL999", "code: NNL9", 2, "not a value of `code`", id="bad code"),
        pytest.param("tier: S", "tier: G S", 3, "not a value of `tier`", id="tiers out of order"),
        pytest.param("severity: warning", "severity: bad", 4, "not a value", id="bad severity"),
        pytest.param("default: on", "default: yes", 5, "not a value", id="bad default"),
        pytest.param("fix: none", "fix: maybe", 6, "not a value", id="bad fix level"),
        pytest.param("since: 0.1.0", "since: soon", 7, "not a value", id="bad version"),
        pytest.param("sources: field practice\n", "", 8, "lacks `sources`", id="missing key"),
        pytest.param("sources:", "source:", 8, "unknown key `source`", id="unknown key"),
        pytest.param("fix: none", "fix: none\nfix: none", 7, "given twice", id="key twice"),
        pytest.param("# some-rule (", "# other-rule (", 10, "the title must read", id="wrong title"),
        pytest.param("Say in one", "Say. In one", 12, "one sentence", id="two sentences of lead"),
        pytest.param("code.\n", "code\n", 12, "full stop", id="lead without full stop"),
        pytest.param("Say in one sentence what is wrong with the code.\n", "", 13, "lead", id="no lead"),
        pytest.param("## Known limits", "## Limits", 38, "out of place", id="unknown section"),
        pytest.param("## References\n\n- Where the advice comes from.\n\n", "", 42, "out of place", id="gap"),
        pytest.param("Say what the rule cannot see.\n", "", 38, "is empty", id="empty section"),
        pytest.param("```py bad", "```py", 26, "```py bad or ```py good", id="example of no kind"),
        pytest.param("```py bad", "```py bda", 26, "```py bad or ```py good", id="example of unknown kind"),
        pytest.param("  # error: [some-rule]", "  #", 26, "marks lines", id="bad example without a mark"),
        pytest.param("[some-rule]", "some-rule", 26, "an expectation reads", id="malformed mark"),
        pytest.param("ones(3)", "ones(3)  # error: [some-rule]", 32, "never marks", id="good with a mark"),
        pytest.param("torch.zeros(3)\n```\n", "torch.zeros(3)\n", 50, "never closed", id="open fence"),
        pytest.param(
            "Say what the rule cannot see.", "```py good\n```", 40, "examples stand", id="misplaced"
        ),
    ],
)
def test_a_broken_page_is_refused_with_its_line(old: str, new: str, line: int, why: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(PageError) as caught:
        parse_page(GOOD.replace(old, new, 1), PATH)
    assert str(caught.value).startswith(f"{PATH}:{line}: "), caught.value
    assert why in str(caught.value)


def test_a_page_needs_both_kinds_of_example() -> None:
    with pytest.raises(PageError, match="at least one"):
        parse_page(GOOD.replace("```py good", "```text"), PATH)


def test_a_page_is_named_like_a_rule() -> None:
    with pytest.raises(PageError, match="not a rule name"):
        parse_page(GOOD, Path("rules/Some_Rule.md"))


def test_a_missing_page_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="there is no such page"):
        load_page(tmp_path / "no-rule.md")


def test_two_pages_with_one_code_are_an_error(tmp_path: Path) -> None:
    for name in ("one-rule", "two-rule"):
        (tmp_path / f"{name}.md").write_text(PAGE.format(code="NNL999", name=name, version="0.1.0"))
    with pytest.raises(PageError, match=r"two-rule.md:2: NNL999 is already the code of one-rule"):
        load_pages(tmp_path)


def test_a_line_may_expect_several_findings() -> None:
    assert expectations('a = 1\nx = f()  # error: [one] "a # b" # error: [two]\n') == (
        Expectation(2, "one", "a # b"),
        Expectation(2, "two", ""),
    )
