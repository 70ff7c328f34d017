"""Notebooks through the command line: linted as one script, told by cell, fixed in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter

# A statement without effect (NNL309, which has a safe fix), and what makes it one.
HEAD = "import torch\nfrom torch import nn\nnet = nn.Linear(2, 2)\n"
RULES = ("--isolated", "--select", "NNL309")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _notebook(*sources: str, **metadata: Any) -> str:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def _run(*args: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["check", *RULES, *args], input=stdin, catch_exceptions=False)


def _places(*args: str) -> list[tuple[str, int | None, int, int]]:
    found = json.loads(_run(*args, "--output-format", "json").stdout)["findings"]
    return [(each["code"], each["cell"], *each["location"].values()) for each in found]


def test_a_finding_names_its_cell_and_shows_its_line(project: Path) -> None:
    (project / "a.ipynb").write_text(_notebook("%matplotlib inline\n" + HEAD, "!ls\nx = 1\nnet.eval"))
    result = _run("a.ipynb")
    assert result.exit_code == 1
    assert result.stdout.startswith("a.ipynb:cell 2:3:1: NNL309 ")
    assert "\n2 | x = 1\n3 | net.eval\n  | ^" in result.stdout
    assert (
        result.stdout.splitlines()[-2].startswith("Found 1 warning in 1 file") or "1 error" in result.stdout
    )
    assert _places("a.ipynb") == [("NNL309", 2, 3, 1)]


def test_a_related_place_may_be_in_another_cell(project: Path) -> None:
    cells = (HEAD, "p = torch.softmax(net(x), 1)", "%time\nloss = nn.CrossEntropyLoss()(p, y)")
    (project / "a.ipynb").write_text(_notebook(*cells))
    result = _run("--select", "NNL201", "a.ipynb", "--output-format", "json")
    (finding,) = json.loads(result.stdout)["findings"]
    (related,) = finding["related"]
    assert (finding["cell"], finding["location"]["row"]) == (2, 1)
    assert (related["cell"], related["location"]["row"]) == (3, 2)
    text = _run("--select", "NNL201", "a.ipynb").stdout
    assert "= note: a.ipynb:cell 3:2:8: " in text
    assert "\n2 | loss = nn.CrossEntropyLoss()(p, y)\n" in text


def test_a_folder_is_walked_for_notebooks_too(project: Path) -> None:
    (project / ".ipynb_checkpoints").mkdir()
    for name in ("b.ipynb", ".ipynb_checkpoints/b.ipynb"):
        (project / name).write_text(_notebook(HEAD, "net.eval"))
    (project / "a.py").write_text(HEAD + "net.eval\n")
    assert [finding[:3] for finding in _places()] == [("NNL309", None, 4), ("NNL309", 2, 1)]
    assert _run("--show-files").stdout.splitlines() == ["a.py", "b.ipynb"]


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        pytest.param(["net.eval  # nnlint: ignore[NNL309]"], [], id="at the end of the line"),
        pytest.param(["# nnlint: ignore[NNL309]\nnet.eval"], [], id="above"),
        pytest.param(["# nnlint: ignore[NNL309]", "net.eval"], ["NNL001", "NNL309"], id="in the cell above"),
        pytest.param(["net.eval", "# nnlint: file-ignore[NNL309]"], [], id="for the whole notebook"),
        pytest.param(["net.eval  # noqa: NNL309"], [], id="as noqa"),
        pytest.param(["%%bash\n# nnlint: ignore[NNL309]", "net.eval"], ["NNL309"], id="in another language"),
        pytest.param(["x = 1  # nnlint: ignore[NNL309]", "net.eval()"], ["NNL001"], id="unused"),
    ],
)
def test_comments_speak_for_their_cell(cells: list[str], codes: list[str], project: Path) -> None:
    (project / "a.ipynb").write_text(_notebook(HEAD, *cells))
    found = _places("a.ipynb")
    assert [code for code, *_ in found] == codes
    assert all(row == 1 for code, _, row, _ in found if code == "NNL001")


def test_fixes_are_written_back_and_nothing_else_changes(project: Path) -> None:
    book = _notebook(
        "%matplotlib inline\n" + HEAD, "!ls\nnet.eval  # é\n%time net.eval\n", "net.eval"
    ).replace("net.eval  # \\u00e9", "net.eval  # \\u00E9")
    (project / "a.ipynb").write_text(book)
    shown = _run("--diff", "a.ipynb")
    assert shown.exit_code == 1
    assert "--- a.ipynb:cell 2\n+++ a.ipynb:cell 2\n" in shown.stdout
    assert "-net.eval  # é\n-%time net.eval\n+net.eval()  # é\n+%time net.eval()\n" in shown.stdout
    assert (project / "a.ipynb").read_text() == book
    assert _run("--fix", "a.ipynb").exit_code == 0
    assert (project / "a.ipynb").read_text() == book.replace("net.eval", "net.eval()")


def test_a_line_put_at_the_end_of_a_cell_stays_in_it(project: Path) -> None:
    train = (
        f"{HEAD}opt = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for x, y in loader:\n    loss = nn.functional.mse_loss(net(x), y)\n    loss.backward()"
    )
    (project / "a.ipynb").write_text(_notebook(train, "print('done')"))
    for args in (["--select", "ALL", "--fix", "--unsafe-fixes", "a.ipynb"], ["a.ipynb"]):
        assert _run(*args).exit_code in (0, 1)
    cells = json.loads((project / "a.ipynb").read_text())["cells"]
    assert cells[1]["source"] == "print('done')"


def test_a_broken_cell_is_reported_and_the_others_are_checked(project: Path) -> None:
    (project / "a.ipynb").write_text(_notebook(HEAD, "x = (", "  y = 1\n  z z", "net.eval"))
    assert _places("a.ipynb") == [("NNL000", 2, 1, 5), ("NNL000", 3, 2, 5), ("NNL309", 4, 1, 1)]
    result = _run("--fix", "a.ipynb")
    assert result.exit_code == 1
    assert "net.eval()" in (project / "a.ipynb").read_text()


def test_a_cell_may_be_indented_and_may_await(project: Path) -> None:
    (project / "a.ipynb").write_text(
        _notebook(HEAD, "for i in x:\n    pass", "    net.eval\n    y = 1", "await f()")
    )
    assert _places("a.ipynb") == [("NNL309", 3, 1, 5)]
    assert _run("--fix", "a.ipynb").exit_code == 1


def test_an_encoding_comment_means_nothing_in_a_cell(project: Path) -> None:
    (project / "a.ipynb").write_text(_notebook("# coding: latin-1\nx = 'é'\n" + HEAD, "y = 'é'; net.eval"))
    assert _places("a.ipynb") == [("NNL309", 2, 1, 10)]


@pytest.mark.parametrize("language", ["R", "julia"])
def test_a_notebook_in_another_language_is_left_out(language: str, project: Path) -> None:
    (project / "a.ipynb").write_text(_notebook("library(torch) %>% f", language_info={"name": language}))
    result = _run("a.ipynb")
    assert (result.exit_code, result.stdout) == (0, "No Python files found.\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            '{"cells": [torch]}', "a.ipynb:1:12: NNL000 not a notebook: expecting '{'", id="no JSON"
        ),
        pytest.param(
            '{"worksheets": ["torch"], "nbformat": 3}', "NNL000 a notebook of format 3 is too", id="old"
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text: str, said: str, project: Path) -> None:
    (project / "a.ipynb").write_text(text)
    for args in ([], ["--fix"]):
        result = _run("a.ipynb", *args)
        assert result.exit_code == 1
        assert said in result.stdout.splitlines()[0]


def test_an_empty_notebook_is_clean(project: Path) -> None:
    for text in ("", _notebook(), _notebook(""), _notebook("# torch")):
        (project / "a.ipynb").write_text(text)
        result = _run("a.ipynb", "--fix")
        assert (result.exit_code, result.stdout[:24]) == (0, "No findings in 1 file (0")


def test_a_lone_surrogate_is_one_character(project: Path) -> None:
    (project / "a.ipynb").write_text(_notebook(HEAD, "x = '\ud83d'; net.eval"))
    assert _places("a.ipynb") == [("NNL309", 2, 1, 10)]
    assert _run("--fix", "a.ipynb").exit_code == 0
    assert "x = '\\ud83d'; net.eval()" in (project / "a.ipynb").read_text()


def test_a_text_named_as_a_notebook_is_one() -> None:
    report = Linter.load(Config(select=("NNL309",))).check_text(_notebook(HEAD, "net.eval"), "a.ipynb")
    assert [(finding.shown_name, finding.span.start.row) for finding in report.findings] == [
        ("a.ipynb:cell 2", 1)
    ]
