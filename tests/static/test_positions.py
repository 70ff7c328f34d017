"""Our positions against libcst's own provider, the slow and obvious twin."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from nnlint.static.positions import positions
from nnlint.static.walk import descend

SCRIPTS = sorted(Path(__file__).parents[2].glob("fixtures/*/*.py"))[::9]
ODD = (
    "x = (  # emoji 😀\n\t(1 +\n  2))\nif x:\n    pass\nelse:\n"
    "    y = '🚀'; z = [a\n   for a in b]\n@f\ndef g(a, *, b: int = 3): return a\n"
)


def check(text: str) -> None:
    wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    expected = wrapper.resolve(PositionProvider)
    wanted = [
        node
        for node in descend(wrapper.module)
        if isinstance(node, (cst.BaseExpression, cst.BaseStatement, cst.BaseSmallStatement))
    ]
    found = positions(wrapper.module, wanted)
    assert len(found) == len(wanted)
    for node in wanted:
        (row, column), (end_row, end_column) = found[node]
        place = expected[node]
        assert (row, column, end_row, end_column) == (
            place.start.line, place.start.column, place.end.line, place.end.column,
        ), cst.Module([]).code_for_node(node)  # fmt: skip


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts(path: Path) -> None:
    check(path.read_text())


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_odd_layout(newline: str) -> None:
    check(ODD.replace("\n", newline))
