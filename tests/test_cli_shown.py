"""`--report` and `--tensorboard`: what they need is known before anything is run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from looking import capture, report
from support import CHECKOUT, ran

from nnlint import cli_shown
from nnlint.options import load_linter


@pytest.mark.parametrize(("option", "module"), [("report", "matplotlib"), ("tensorboard", "tensorboard")])
def test_what_is_missing_is_said_before_the_run(
    option: str,
    module: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    files = {"report": (tmp_path / "r.html", None), "tensorboard": (None, tmp_path / "runs")}[option]
    with pytest.raises(SystemExit) as ended:
        cli_shown.check(*files)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"nnlint: --{option} needs {module}: pip install 'nnlint[{option}]'\n"
    assert list(tmp_path.iterdir()) == []


def test_the_format_html_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else find(name))
    with pytest.raises(SystemExit):
        load_linter(("-",), (), (), (), "html", None, isolated=True)
    message = "nnlint: the format html needs jinja2: pip install 'nnlint[report]'\n"
    assert capsys.readouterr().err == message


def test_a_folder_that_is_not_there_is_said_before_the_run(tmp_path: Path) -> None:
    script = CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py"
    done = ran("run", "--isolated", "--report", "nowhere/r.html", str(script), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"nnlint: nowhere/r.html: there is no folder ")
    assert done.stderr.count(b"\n") == 1


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    cli_shown.write(report(), capture(), tmp_path / "r.html", None)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert (tmp_path / "r.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


@pytest.mark.parametrize("color", [True, False])
def test_no_color_is_honoured(
    color: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    if not color:
        monkeypatch.setenv("NO_COLOR", "1")
    cli_shown.curves(capture(), layers=False)
    assert ("\x1b[" in capsys.readouterr().out) is color
