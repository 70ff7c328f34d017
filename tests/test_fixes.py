"""Edits of text: where they go, and what happens when they touch."""

from __future__ import annotations

import libcst as cst
import pytest

from nnlint.finding import Applicability, Edit, Fix, Span
from nnlint.fixes import apply, fix_of
from nnlint.rule import Draft, Insertion, Removal, Replacement

NODE = cst.Pass()


def _fix(*edits: tuple[int, int, int, int, str]) -> Fix:
    made = tuple(Edit(Span.of(*edit[:4]), edit[4]) for edit in edits)
    return Fix("m", Applicability.SAFE, made)


@pytest.mark.parametrize(
    ("fixes", "text"),
    [
        pytest.param([_fix((1, 1, 1, 2, "x"))], "xb\ncd\n", id="a replacement"),
        pytest.param([_fix((1, 1, 2, 2, ""))], "d\n", id="a removal across lines"),
        pytest.param([_fix((2, 1, 2, 1, "x\n"))], "ab\nx\ncd\n", id="an insertion"),
        pytest.param([_fix((1, 1, 1, 2, "x"), (2, 2, 2, 3, "y"))], "xb\ncy\n", id="two edits"),
        pytest.param([_fix((1, 1, 1, 2, "x")), _fix((1, 1, 1, 3, "y"))], "xb\ncd\n", id="the first wins"),
        pytest.param([_fix((1, 1, 1, 2, "x")), _fix((1, 2, 1, 3, "y"))], "xb\ncd\n", id="touching"),
        pytest.param([_fix((3, 1, 3, 1, "end"))], "ab\ncd\nend", id="at the very end"),
        pytest.param(
            [_fix((1, 1, 1, 2, "x")), _fix((2, 1, 2, 2, "y"), (1, 1, 1, 2, "z"))],
            "xb\ncd\n",
            id="all edits of a fix or none",
        ),
    ],
)
def test_fixes_change_the_text(fixes: list[Fix], text: str) -> None:
    assert apply("ab\ncd\n", fixes) == text


@pytest.mark.parametrize(
    ("insertion", "text"),
    [
        pytest.param(Insertion(NODE, "x()"), "if a:\n    x()b\n", id="before"),
        pytest.param(Insertion(NODE, "x()", after=True), "if a:\n    bx()\n", id="after"),
        pytest.param(
            Insertion(NODE, "x()\ny()", line=True), "if a:\n    x()\n    y()\n    b\n", id="line before"
        ),
        pytest.param(
            Insertion(NODE, "x()", after=True, line=True), "if a:\n    b\n    x()\n", id="line after"
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""], ids=["line break at the end", "no line break at the end"])
def test_an_insertion_goes_before_or_after_inline_or_as_a_line(
    insertion: Insertion, text: str, end: str
) -> None:
    source = "if a:\n    b" + end
    spans: dict[cst.CSTNode, Span] = {NODE: Span.of(2, 5, 2, 6)}
    fix = fix_of(Draft("m", (insertion,)), None, spans, source.splitlines())
    assert fix is not None
    assert apply(source, [fix]).rstrip("\n") == text.rstrip("\n")


def test_a_draft_may_be_bolder_than_its_page() -> None:
    draft = Draft("m", (Insertion(NODE, "x"),), Applicability.UNSAFE)
    spans: dict[cst.CSTNode, Span] = {NODE: Span.of(1, 1, 1, 2)}
    fix = fix_of(draft, Applicability.SAFE, spans, ["a"])
    assert fix is not None
    assert fix.applicability is Applicability.UNSAFE


@pytest.mark.parametrize(
    ("source", "span", "after", "text"),
    [
        pytest.param("f(\n  a,\n  b,  # c\n)\n", (3, 3, 3, 4), (2, 3, 2, 4), "f(\n  a,\n)\n", id="its lines"),
        pytest.param("f(a, b)\n", (1, 6, 1, 7), (1, 3, 1, 4), "f(a)\n", id="up to the one before"),
        pytest.param("f(a, b,)\n", (1, 6, 1, 7), (1, 3, 1, 4), "f(a,)\n", id="with a comma after"),
        pytest.param("x = 1; y\n", (1, 8, 1, 9), None, None, id="not without the rest of the line"),
    ],
)
def test_a_removal_takes_whole_lines_where_it_can(
    source: str, span: tuple[int, int, int, int], after: tuple[int, int, int, int] | None, text: str | None
) -> None:
    other = cst.Pass()
    spans: dict[cst.CSTNode, Span] = {NODE: Span.of(*span)}
    if after is not None:
        spans[other] = Span.of(*after)
    removal = Removal(NODE, other if after is not None else None)
    fix = fix_of(Draft("m", (removal,)), Applicability.SAFE, spans, source.splitlines(keepends=True))
    assert (apply(source, [fix]) if fix else None) == text
    if fix:
        assert fix.applicability is (Applicability.UNSAFE if "#" in source else Applicability.SAFE)


def test_a_replacement_that_drops_a_comment_is_unsafe() -> None:
    source = "f(  # why\n  g())\n"
    spans: dict[cst.CSTNode, Span] = {NODE: Span.of(1, 1, 2, 7)}
    fix = fix_of(Draft("m", (Replacement(NODE, "g()"),)), Applicability.SAFE, spans, source.splitlines())
    assert fix is not None
    assert fix.applicability is Applicability.UNSAFE
    kept = fix_of(Draft("m", (Replacement(NODE, source),)), Applicability.SAFE, spans, source.splitlines())
    assert kept is not None
    assert kept.applicability is Applicability.SAFE


def test_a_line_that_two_fixes_insert_is_inserted_once() -> None:
    first, second = (_fix((1, 1, 1, 1, "import x\n"), (2, at, 2, at + 1, "y")) for at in (1, 3))
    assert apply("ab\nc.d\n", [first, second, first]) == "import x\nab\ny.y\n"
