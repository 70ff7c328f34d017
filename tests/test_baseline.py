"""Baselines and `--add-ignores`: what is known is not reported, what is new is, what is gone is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nnlint.cli import cli

HEAD = "import torch\nfrom torch import nn\n\nnet = nn.Linear(2, 2)\n"
RULES = ("--select", "NNL309")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "nnlint.toml").write_text('select = ["NNL309"]\nbaseline = "known.json"\n')
    (tmp_path / "known.json").write_text('{"version": 1, "files": {}}')
    return tmp_path


def _run(*args: str) -> Result:
    return CliRunner().invoke(cli, args, catch_exceptions=False)


def _rows(*args: str) -> list[int]:
    report = json.loads(_run("check", "--output-format", "json", *args).stdout)
    return [finding["location"]["row"] for finding in report["findings"]]


def _notebook(*sources: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": each} for each in sources], "nbformat": 4})


def test_what_is_known_is_not_reported_wherever_it_moves(project: Path) -> None:
    (project / "a.py").write_text(HEAD + "net.eval\nx = 1\nnet.eval\nx = 1\nnet.eval\n")
    assert _rows() == [5, 7, 9]
    result = _run("baseline")
    assert (result.exit_code, result.stdout) == (0, f"Wrote 3 findings to {project / 'known.json'}.\n")
    assert _rows() == []
    (project / "a.py").write_text("# more\n\n" + HEAD + "net.eval\nx  =  1\nnet.eval\nx = 1\nnet.eval\n")
    assert _rows() == []
    # One more of a kind that is known is one too many.
    (project / "a.py").write_text(HEAD + "net.eval\nx = 1\nnet.eval\nx = 1\nnet.eval\nx = 1\nnet.eval\n")
    assert len(_rows()) == 1
    (project / "a.py").write_text(HEAD + "net.eval\nnet.train\n")
    assert _rows() == [5, 6]


def test_the_file_is_found_from_anywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "a.ipynb").write_text(_notebook(HEAD, "net.eval"))
    _run("baseline")
    assert list(json.loads((project / "known.json").read_text())["files"]) == ["sub/a.ipynb"]
    monkeypatch.chdir(project / "sub")
    assert _rows("a.ipynb") == _rows() == []
    assert _rows("--isolated", *RULES) == [1]
    assert _rows("--isolated", *RULES, "--baseline", "../known.json") == [1]


def test_what_is_gone_is_said(project: Path) -> None:
    for name in "abc":
        (project / f"{name}.py").write_text(HEAD + "net.eval\n")
    _run("baseline")
    (project / "a.py").write_text(HEAD)
    (project / "b.py").unlink()
    said = "findings of the baseline no longer found; `nnlint baseline` writes it anew."
    result = _run("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"2 {said}"
    # A file that is not looked at, or a rule, is not gone.
    assert said not in _run("check", "--ignore", "NNL309", "a.py").stdout
    (project / "b.py").write_text("x = 1\n")
    assert f"2 {said}" in _run("check").stdout


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot read the baseline: No such file or directory"),
        ("{", "not a baseline"),
        ('{"version": 1, "files": []}', "not a baseline"),
        ('{"version": 2}', "a baseline of version 2"),
    ],
)
def test_a_file_that_is_no_baseline_is_one_line(text: str | None, why: str, project: Path) -> None:
    (project / "known.json").unlink()
    if text is not None:
        (project / "known.json").write_text(text)
    result = _run("check")
    assert result.exit_code == 2
    assert why in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_read_is_never_known(project: Path) -> None:
    (project / "a.py").write_text("import torch\nx = (\n")
    _run("baseline")
    assert _rows() == [2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("net.eval\n", "net.eval  # nnlint: ignore[NNL309]\n", id="a line"),
        pytest.param("net.eval", "net.eval  # nnlint: ignore[NNL309]", id="without a last line break"),
        pytest.param("net.eval\r\n", "net.eval  # nnlint: ignore[NNL309]\r\n", id="other line ends"),
        pytest.param("net.eval  # why\n", "net.eval  # why  # nnlint: ignore[NNL309]\n", id="a comment"),
        pytest.param(
            "net.eval  # nnlint: ignore[NNL101] x\n",
            "net.eval  # nnlint: ignore[NNL101, NNL309] x\n",
            id="a comment of ours",
        ),
        pytest.param("if x:\n    (net\n     .eval)\n", None, id="a statement of several lines"),
        pytest.param("(net.eval); y = '''\n  # nnlint: ignore[x\n'''\n", None, id="a string"),
        pytest.param("if x: net.eval\n", "if x: net.eval  # nnlint: ignore[NNL309]\n", id="one line"),
    ],
)
def test_comments_are_added_where_they_silence(before: str, after: str | None, project: Path) -> None:
    (project / "nnlint.toml").write_text("")
    old = HEAD.encode() + before.encode()
    (project / "a.py").write_bytes(old)
    result = _run("check", *RULES, "--add-ignores", "a.py")
    assert result.stderr == "Silenced 1 finding by comments.\n"
    new = (project / "a.py").read_bytes()
    if after is not None:
        assert new == HEAD.encode() + after.encode()
    assert _rows(*RULES, "--ignore", "NNL001") == []
    _run("check", *RULES, "--add-ignores", "a.py")
    assert (project / "a.py").read_bytes() == new


def test_comments_are_added_to_cells(project: Path) -> None:
    book = _notebook(HEAD, "!ls\nnet.eval", "%time net.eval")
    (project / "a.ipynb").write_text(book)
    _run("check", "--add-ignores")
    assert _rows() == []
    assert (project / "a.ipynb").read_text() == book.replace("net.eval", "net.eval  # nnlint: ignore[NNL309]")


def test_a_read_only_file_is_left_and_said(project: Path) -> None:
    (project / "a.py").write_text(HEAD + "net.eval\n")
    (project / "a.py").chmod(0o444)
    result = _run("check", "--add-ignores")
    assert result.exit_code == 2
    assert "not run: a.py: add: the file is read-only" in result.stdout


@pytest.mark.parametrize("args", [("--fix", "--add-ignores"), ("--watch", "-"), ("--add-ignores", "-")])
def test_what_does_not_go_together_is_refused(args: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli, ["check", *args]).exit_code == 2
