"""Lines as Python counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.lines import split_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("a", ["a"], id="no line break"),
        pytest.param("a\nb\n", ["a", "b"], id="Unix"),
        pytest.param("a\r\nb\r\n", ["a", "b"], id="Windows"),
        pytest.param("a\rb\r", ["a", "b"], id="old Mac"),
        pytest.param("a\n\nb", ["a", "", "b"], id="a blank line"),
        pytest.param("a\x0cb\u2028c\x1dd\n", ["a\x0cb\u2028c\x1dd"], id="what str.splitlines would break"),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@given(st.text(alphabet="ab\r\n\x0c"))
def test_lines_with_their_ends_make_the_text_again(text: str) -> None:
    assert "".join(split_lines(text, keepends=True)) == text
