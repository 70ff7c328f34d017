"""Edits of text: where they go, and what happens when they touch."""

from __future__ import annotations

import libcst as cst
import pytest

from nnlint.finding import Applicability, Edit, Fix, Span
from nnlint.fixes import apply, fix_of
from nnlint.rule import Draft, Insertion

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
    assert apply(source, [fix]).rstrip("\n") == text.rstrip("\n")


def test_a_draft_may_be_bolder_than_its_page() -> None:
    draft = Draft("m", (Insertion(NODE, "x"),), Applicability.UNSAFE)
    spans: dict[cst.CSTNode, Span] = {NODE: Span.of(1, 1, 1, 2)}
    assert fix_of(draft, Applicability.SAFE, spans, ["a"]).applicability is Applicability.UNSAFE
