"""Cells as plain Python: what only IPython understands goes, every line stays where it is."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.lines import split_lines
from nnlint.magics import plain


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        pytest.param("%matplotlib inline\nx = 1\n", "pass\nx = 1\n", id="a line magic"),
        pytest.param("!pip install torch", "pass", id="a shell line"),
        pytest.param("!pip install \\\n  torch\nx = 1", "pass\n\nx = 1", id="a shell line goes on"),
        pytest.param("if x:\n    !ls\n", "if x:\n    pass\n", id="alone in a block"),
        pytest.param("files = !ls *.pt\n", "files = get_ipython()\n", id="what a shell line gives"),
        pytest.param("t = d['a'] = %timeit -o f()", "t = d['a'] = get_ipython()", id="what a magic gives"),
        pytest.param("net?\nnet.forward??\n?net", "pass\npass\npass", id="help"),
        pytest.param("x = 1  # why?\n", "x = 1  # why?\n", id="a question in a comment"),
        pytest.param("x = 'why?'\n", "x = 'why?'\n", id="a question in a string"),
        pytest.param("x = (a\n  % b)\n", "x = (a\n  % b)\n", id="a remainder inside brackets"),
        pytest.param("x = a \\\n  % b\n", "x = a \\\n  % b\n", id="a remainder on a line that goes on"),
        pytest.param("x = '''\n!ls\n%cd\n'''\n", "x = '''\n!ls\n%cd\n'''\n", id="in a long string"),
        pytest.param("x %= 2\ny = a != b\n", "x %= 2\ny = a != b\n", id="operators"),
        pytest.param("%time train(net)", "0;    train(net)", id="a timed statement is run"),
        pytest.param("%timeit -n 3 f(net)", "pass", id="a timed statement behind options"),
        pytest.param("%%time\nx = 1\n!ls", "\nx = 1\npass", id="a timed cell is run"),
        pytest.param("%%capture out\n%%time\nf()", "\n\nf()", id="one cell magic after another"),
        pytest.param("\n%%bash\nexit 1\n", "\n\n\n", id="another language"),
        pytest.param("%%writefile a.py\nx = 1", "\n", id="a file"),
        pytest.param("pip install torch\ncd ..\nls", "pass\npass\nls", id="without the %"),
        pytest.param(
            "run (x)\nls = 3\ncat[0]\nls - 1", "run (x)\nls = 3\ncat[0]\nls - 1", id="names of ours"
        ),
        pytest.param(",f a b\n/f\n;f a", "pass\npass\npass", id="calls without brackets"),
        pytest.param("!echo 'it\nx = 1", "pass\nx = 1", id="a quote in a shell line"),
        pytest.param("x = 'a\ny = !ls\n", "x = 'a\ny = get_ipython()\n", id="behind a string left open"),
        pytest.param("!ls\r\nx = 1\r\n", "pass\r\nx = 1\r\n", id="other line ends"),
    ],
)
def test_what_a_cell_is_in_python(cell: str, code: str) -> None:
    assert plain(cell).text == code
    assert plain(cell).complete


@pytest.mark.parametrize("cell", ["x = (", "x = 1 + \\", "x = 1 + \\\n", "'''a\n!b", "f([1,\n!ls\n2]"])
def test_a_cell_that_goes_on_past_its_end(cell: str) -> None:
    assert not plain(cell).complete


@given(st.text(alphabet="ax=%!?\"'#()[]\\\n\r \t;", max_size=30))
def test_every_row_stays(cell: str) -> None:
    assert len(split_lines(plain(cell).text + "|")) == len(split_lines(cell + "|"))


@given(st.text(alphabet="ax=%\"'#(),\\\n -1", max_size=20))
def test_python_is_left_alone(cell: str) -> None:
    try:
        ast.parse(cell)
    except (SyntaxError, ValueError):
        return
    assert plain(cell).text == cell or cell.lstrip().startswith(("%", ","))
