"""Ignore comments: what they speak for, and what is said about those that do nothing."""

from __future__ import annotations

import pytest
from support import make_page

from nnlint.finding import Finding, Severity, Span, Tier
from nnlint.page import load_pages
from nnlint.suppress import UNUSED, apply

RULE = make_page("some-rule", "NNL998")
OTHER = make_page("other-rule", "NNL997")
PAGES = (*(page for page in load_pages() if page.code == UNUSED), RULE, OTHER)
RAN = frozenset({UNUSED, "NNL998", "NNL997"})


def _at(row: int, code: str = "NNL998") -> Finding:
    name = {page.code: page.name for page in PAGES}[code]
    return Finding(code, name, "wrong", "a.py", Span.of(row, 1, row, 2), Severity.ERROR, Tier.STATIC, url="")


def _left(text: str, *findings: Finding, ran: frozenset[str] = RAN) -> list[tuple[int, str]]:
    left = sorted(apply(findings, text, "a.py", PAGES, ran))
    return [(finding.span.start.row, finding.code) for finding in left]


def _complaints(text: str) -> list[Finding]:
    return [finding for finding in apply([], text, "a.py", PAGES, RAN) if finding.code == UNUSED]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        pytest.param("x = 1  # nnlint: ignore[NNL998]\n", 1, id="at the end of its line"),
        pytest.param("x = 1  # nnlint: ignore[NNL998] because\n", 1, id="with a reason"),
        pytest.param("x = 1  # nnlint: ignore[some-rule]\n", 1, id="by name"),
        pytest.param("x = 1  # nnlint: ignore[nnl998]\n", 1, id="in lower case"),
        pytest.param("x = 1  # nnlint:ignore[ NNL998 ]\n", 1, id="with other blanks"),
        pytest.param("x = 1  # type: ignore # nnlint: ignore[NNL998]\n", 1, id="after another tool's"),
        pytest.param("x = 1  # noqa: NNL998\n", 1, id="as noqa"),
        pytest.param("x = 1  # NOQA: E501,NNL998 F401\n", 1, id="as noqa among others"),
        pytest.param("# nnlint: ignore[NNL998]\nx = 1\n", 2, id="alone above the statement"),
        pytest.param("# nnlint: ignore[NNL998]\n\n# more\nx = 1\n", 4, id="above, with lines between"),
        pytest.param("if a:\n    # nnlint: ignore[NNL998]\n    x = 1\n", 3, id="above, in a block"),
        pytest.param(
            "x = f(\n    1,\n    2,\n)  # nnlint: ignore[NNL998]\n", 2, id="behind a long statement"
        ),
        pytest.param("x = f(\n    1,  # nnlint: ignore[NNL998]\n)\n", 1, id="inside a long statement"),
        pytest.param("for x in y:  # nnlint: ignore[NNL998]\n    pass\n", 1, id="on a loop's first line"),
        pytest.param("y = 0\nx = 1\n# nnlint: file-ignore[NNL998]\n", 1, id="for the whole file"),
        pytest.param('x = """\n"""  # nnlint: ignore[NNL998]\n', 1, id="behind a string of several lines"),
        pytest.param("x = 1  # nnlint: ignore[NNL998]", 1, id="without a last line break"),
    ],
)
def test_a_comment_suppresses(text: str, row: int) -> None:
    assert _left(text, _at(row)) == []


@pytest.mark.parametrize(
    ("text", "row"),
    [
        pytest.param("x = 1\ny = 2  # nnlint: ignore[NNL998]\n", 1, id="another line's"),
        pytest.param("# nnlint: ignore[NNL998]\nx = 1\ny = 2\n", 3, id="only the next statement's"),
        pytest.param("for x in y:  # nnlint: ignore[NNL998]\n    z = 1\n", 2, id="a loop's, not its body's"),
        pytest.param("x = 1  # nnlint: ignore[NNL997]\n", 1, id="another rule's"),
        pytest.param("x = 1  # nnlint: ignore\n", 1, id="one without codes"),
        pytest.param("x = 1  # noqa\n", 1, id="a bare noqa"),
        pytest.param("x = 1  # noqa: some-rule\n", 1, id="a noqa with a name"),
        pytest.param('x = "# nnlint: ignore[NNL998]"\n', 1, id="text in a string"),
        pytest.param("x = 1  # nnlint: ignore[NNL99]\n", 1, id="a prefix"),
    ],
)
def test_a_comment_does_not_suppress(text: str, row: int) -> None:
    assert (row, "NNL998") in _left(text, _at(row))


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        pytest.param("x = 1  # nnlint: ignore[NNL998]", (25, 31), "nothing here", id="unused"),
        pytest.param("x = 1  # noqa: E1, NNL998", (20, 26), "nothing here", id="unused noqa"),
        pytest.param("# nnlint: file-ignore[NNL998]", (23, 29), "nothing in this file", id="unused for file"),
        pytest.param("x = 1  # nnlint: ignore[NNL996]", (25, 31), "no rule `NNL996`", id="no such code"),
        pytest.param("x = 1  # nnlint: ignore[some-rul]", (25, 33), "`some-rule`?", id="misspelt name"),
        pytest.param("x = 1  # nnlint: ignore", (8, 24), "name the rules", id="no codes"),
        pytest.param("x = 1  # nnlint: ignore[]", (8, 26), "name the rules", id="empty codes"),
        pytest.param("x = 1  # nnlint: igore[NNL998]", (8, 31), "mean `ignore[…]`?", id="misspelt verb"),
        pytest.param(
            "# nnlint: fileignore[NNL998]", (1, 29), "mean `file-ignore[…]`?", id="misspelt file verb"
        ),
    ],
)
def test_a_comment_that_does_nothing_is_reported_where_it_stands(
    text: str, columns: tuple[int, int], message: str
) -> None:
    (complaint,) = _complaints(text + "\n")
    assert (complaint.span.start.column, complaint.span.end.column) == columns
    assert message in complaint.message
    assert complaint.tier is Tier.TOOL


def test_only_the_code_that_does_nothing_is_reported() -> None:
    text = "x = 1  # nnlint: ignore[NNL998, NNL997]\n"
    assert _left(text, _at(1)) == [(1, UNUSED)]


def test_a_suppression_of_a_rule_that_did_not_run_is_not_called_unused() -> None:
    assert _left("x = 1  # nnlint: ignore[NNL998]\n", ran=frozenset({UNUSED})) == []


def test_nothing_is_said_about_comments_when_that_is_off() -> None:
    assert _left("x = 1  # nnlint: ignore[NNL998]\n", ran=RAN - {UNUSED}) == []


def test_complaints_can_be_suppressed_like_any_finding() -> None:
    text = "x = 1  # nnlint: ignore[NNL998]\n# nnlint: file-ignore[unused-suppression]\n"
    assert _left(text) == []


def test_columns_count_characters() -> None:
    (complaint,) = _complaints("é = '😀'  # nnlint: ignore[NNL998]\n")
    assert complaint.span.start.column == 27


def test_a_file_that_the_tokenizer_gives_up_on_keeps_what_was_read() -> None:
    assert _left("x = 1  # nnlint: ignore[NNL998]\ny = (\n", _at(1)) == []
