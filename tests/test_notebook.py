"""Notebooks as files: what is read of them, and that a changed cell changes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.notebook import Notebook, NotebookError


def _book(*sources: Any, **more: Any) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code",
            "execution_count": 3,
            "metadata": {},
            "outputs": [{"a": [1e3]}],
            "source": source,
        }
        for source in sources
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}


def _texts(data: bytes) -> list[tuple[int, str]]:
    return [(cell.number, cell.text) for cell in Notebook.read(data).cells]


def test_code_cells_are_counted_among_all_cells() -> None:
    book = _book(["a\n", "b"], "c\n")
    book["cells"].insert(1, {"cell_type": "markdown", "source": ["# no code"]})
    book["cells"].append({"cell_type": "raw", "source": "raw"})
    assert _texts(json.dumps(book).encode()) == [(1, "a\nb"), (3, "c\n")]


def test_a_cell_in_another_language_is_none_of_ours() -> None:
    book = _book("a", "b")
    book["cells"][0]["metadata"] = {"vscode": {"languageId": "julia"}}
    book["cells"][1]["metadata"] = {"vscode": {"languageId": "python"}}
    assert _texts(json.dumps(book).encode()) == [(2, "b")]


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        pytest.param({"language_info": {"name": "R"}}, "r", id="R"),
        pytest.param({"kernelspec": {"language": "julia", "name": "julia-1.9"}}, "julia", id="Julia"),
        pytest.param({"kernelspec": {"language": "python3"}}, "python", id="a kernel's odd name"),
        pytest.param({"language_info": {"name": "ipython"}}, "python", id="IPython"),
        pytest.param({"language_info": []}, "python", id="nonsense"),
        pytest.param([], "python", id="no metadata"),
    ],
)
def test_the_language(metadata: Any, language: str) -> None:
    book = Notebook.read(json.dumps(_book("a", metadata=metadata)).encode())
    assert book.language == language
    assert len(book.cells) == (language == "python")


@pytest.mark.parametrize("data", [b"", b" \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_empty_notebook(data: bytes) -> None:
    assert Notebook.read(data).cells == ()
    assert Notebook.read(data).with_texts({}) == data


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        pytest.param(b'{"cells": [\n}', "not a notebook: expecting '{'", (2, 1), id="cut off"),
        pytest.param(b'{"cells": [{"cell_type": "code"}]\n', "expecting ','", (2, 1), id="no end"),
        pytest.param(b"<<<<<<< HEAD\n", "expecting '{'", (1, 1), id="a merge conflict"),
        pytest.param(b'{"nbformat": 4, "cells": [1]}', "expecting '{'", (1, 27), id="a cell that is none"),
        pytest.param(b'{"cells": [{"source": "x"}]}', "cell 1 is not a cell", (1, 12), id="no type"),
        pytest.param(b'{"cells": [{"cell_type": "code", "source": 1}]}', "cell 1", (1, 12), id="number"),
        pytest.param(b'{"a": 1}', "it has no cells", (1, 1), id="other JSON"),
        pytest.param(b'{"a": 1} {}', "extra data", (1, 10), id="two values"),
        pytest.param(b"[]", "expecting '{'", (1, 1), id="a list"),
        pytest.param(b"\n\xff", "not UTF-8", (2, 1), id="bytes"),
        pytest.param(b'{"a": ' + b"[" * 100_000, "nested too deeply", (1, 1), id="depth"),
        pytest.param(b'{"worksheets": [], "nbformat": 3}', "format 3 is too old", (1, 1), id="format 3"),
        pytest.param(
            b'{"cells": [], "metadata": {"language_info": {"name": "python", "version": "2.7.1"}}}',
            "written for Python 2.7.1",
            (1, 1),
            id="Python 2",
        ),
    ],
)  # fmt: skip
def test_what_is_no_notebook_gets_one_line(data: bytes, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(NotebookError) as caught:
        Notebook.read(data)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert (caught.value.row, caught.value.column) == place


WRITTEN = """{
 "nbformat": 4, "cells": [
  {"cell_type": "code",
\t"source": [ "x = 'caf\\u00e9 \\ud83d\\ude00 \\/'\\n" ,
     "y = 1\\n","z = 2"
   ], "outputs": [{"text/plain": "\\u003cb\\u003e", "n": 1.0e+3}]},
  {"source": "a = 1\\nb = \\u003c", "cell_type": "code"}
 ]
, "metadata": {}}

"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("texts", "before", "after"),
    [
        pytest.param({}, "", "", id="nothing"),
        pytest.param(
            {1: "x = 'café 😀 /'\ny = 1\nz = 2"}, "", "", id="the same"
        ),
        pytest.param(
            {1: "x = 'café 😀 /'\ny = 3\nz = 2"}, '"y = 1\\n"', '"y = 3\\n"', id="a line"
        ),
        pytest.param(
            {1: "x = 'café 😀 /!'\ny = 1\nz = 2"}, "\\/'", "\\/!'", id="escapes beside the change"
        ),
        pytest.param(
            {1: "x = 'café 😀 /'\nnew = 'ü'\ny = 1\nz = 2"},
            '"y = 1\\n"',
            '"new = \'\\u00fc\'\\n" ,\n     "y = 1\\n"',
            id="a new line takes the layout",
        ),
        pytest.param({2: "a = 1\nc = 0\nb = <"}, "\\nb", "\\nc = 0\\nb", id="one string stays one"),
    ],
)  # fmt: skip
def test_all_but_the_change_stays(texts: dict[int, str], before: str, after: str, newline: str) -> None:
    old, new = (text.replace("\n", newline).encode() for text in (WRITTEN, WRITTEN.replace(before, after, 1)))
    got = Notebook.read(old).with_texts(texts)
    # The separators of the list are written as they were first: `,` between the last two lines was shorter.
    assert got.replace(b'" ,' + newline.encode() + b'     "z', b'","z') == new
    assert all(text == dict(_texts(got))[number] for number, text in texts.items())


def test_what_is_not_ascii_is_written_as_the_file_has_it() -> None:
    data = json.dumps(_book(["x = 'é'\n", "y"]), ensure_ascii=False).encode()
    new = Notebook.read(data).with_texts({1: "x = 'é'\ny = 'ü'"})
    assert new == data.replace(b'"y"', "\"y = 'ü'\"".encode())


lines = st.text(alphabet='ab=é😀"\\/\n\r\t\x00 \u2028', max_size=12)


@given(st.lists(lines | st.lists(lines, max_size=4), min_size=1, max_size=3), lines, st.booleans(), st.data())
def test_any_text_can_be_written(
    sources: list[Any], text: str, ascii_only: bool, data: st.DataObject
) -> None:
    indent = data.draw(st.sampled_from([None, 0, 1, 2, "\t"]))
    written = json.dumps(_book(*sources), ensure_ascii=ascii_only, indent=indent).encode()
    number = data.draw(st.integers(1, len(sources)))
    new = json.loads(Notebook.read(written).with_texts({number: text}))
    old = json.loads(written)
    source = new["cells"][number - 1].pop("source")
    old["cells"][number - 1].pop("source")
    assert "".join(source) == text
    assert new == old


def test_the_kernel_says_what_python_it_is_where_an_editor_wrote_another() -> None:
    table = {"kernelspec": {"name": "python3"}, "language_info": {"name": "python", "version": "2.7.6"}}
    Notebook.read(json.dumps({"cells": [], "metadata": table}).encode())
