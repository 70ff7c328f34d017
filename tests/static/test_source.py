"""Anything may be called `.py`: what cannot be read is said in one line with its place."""

from __future__ import annotations

import pytest

from nnlint.static.source import Source, SourceError


def error_of(data: bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        Source.from_bytes(data, "x.py").parse()
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("data", "place", "part"),
    [
        pytest.param(b"import torch\nprint 1\n", (2, 1), "parentheses", id="Python 2"),
        pytest.param(b"import torch\nx = (\n", (2, 5), "never closed", id="open bracket"),
        pytest.param(b"import torch\n  x = 1\n", (2, 1), "indent", id="indentation"),
        pytest.param(b"\x7fELF\0\0torch", (1, 1), "null bytes", id="binary"),
        pytest.param(b"import torch\nx = '\xff'\n", (2, 1), "decode", id="not UTF-8"),
        pytest.param(b"# -*- coding: nonsense -*-\n", (1, 1), "nonsense", id="unknown encoding"),
    ],
)
def test_unreadable_input_is_named_with_its_place(data: bytes, place: tuple[int, int], part: str) -> None:
    error = error_of(data)
    assert part in error.message
    assert error.row == place[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = " + "(" * 5000 + "1" + ")" * 5000, id="brackets"),
        pytest.param("x = " + "-" * 50_000 + "1", id="minus signs"),
        pytest.param("x = a" + ".b" * 20_000, id="attributes"),
        pytest.param("x = " + "+".join(["1"] * 20_000), id="sum"),
        pytest.param("x = " + "not " * 5_000 + "1", id="nots"),
    ],
)
def test_deep_nesting_is_refused_before_it_can_crash_the_parser(text: str) -> None:
    assert "deep" in error_of(text.encode()).message or "nested" in error_of(text.encode()).message


def test_other_encodings_and_a_byte_order_mark_are_read() -> None:
    assert Source.from_bytes("# coding: latin-1\nx = 'é'\n".encode("latin-1"), "x").parse() is not None
    assert Source.from_bytes(b"\xef\xbb\xbfx = 1\n", "x").parse() is not None


def test_the_gate_reads_no_file_that_has_nothing_to_do_with_torch() -> None:
    assert not Source.from_bytes(b"import numpy", "x").gate()
    assert Source.from_bytes(b"import torch", "x").gate()


def test_an_empty_file_is_fine() -> None:
    assert Source.from_bytes(b"", "x").parse().body == ()
