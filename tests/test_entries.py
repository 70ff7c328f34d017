"""Results as lines of the cache: what is not of the right kind is not believed."""

from __future__ import annotations

import json

import pytest
from support import CHECKOUT

from nnlint import entries
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.file_result import FileResult


def _content() -> tuple[FileResult, dict[str, object]]:
    linter = Linter.load(Config(select=("NNL307",)))
    data = (CHECKOUT / "fixtures/buggy/mnist_best_metric.py").read_bytes()
    result = linter.look(data, "a.py")
    line = entries.to_line(result, data, {page.code: page for page in linter.pages})
    assert line
    return result, json.loads(line)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message", "\x1b]0;owned\x07"),
        ("message", 3),
        ("code", "NNL999"),
        ("severity", "grave"),
        ("tier", None),
        ("location", {"row": "1", "column": 1}),
        ("location", {"row": 0, "column": 1}),
        ("location", {}),
        ("cell", "3"),
        ("cell", 3),
        ("fix", {"message": "m", "applicability": "safe", "edits": [3]}),
        ("fix", "rm"),
        ("related", [{"message": "m"}]),
        ("evidence", []),
    ],
)
def test_a_line_is_believed_only_if_all_in_it_is_of_the_right_kind(key: str, value: object) -> None:
    result, content = _content()
    pages = {page.code: page for page in Linter.load().pages}
    data = (CHECKOUT / "fixtures/buggy/mnist_best_metric.py").read_bytes()
    assert entries.from_line(json.dumps(content), "a.py", data, pages) == result
    content["findings"][0][key] = value  # type: ignore[index]
    assert entries.from_line(json.dumps(content), "a.py", data, pages) is None


@pytest.mark.parametrize("line", ["3", "[]", "{}", '{"checked":1,"texts":{},"findings":[]}', "[" * 9999])
def test_a_line_of_another_form_is_none(line: str) -> None:
    assert entries.from_line(line, "a.py", b"", {}) is None
