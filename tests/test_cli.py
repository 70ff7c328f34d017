"""The command line, in-process and as a process of its own; bad input gets one clear line each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from support import CHECKOUT, nnlint

from nnlint import __version__
from nnlint.cli import cli, main
from nnlint.engine import Linter
from nnlint.page import load_pages

BUGGY = "import torch\n\nx = torch.zeros(3)  # nnlint: ignore[syntax-error]\n"
CLEAN = "import torch\n\nx = torch.zeros(3)\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with no colour forced from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _run(*args: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(cli, args, input=stdin, catch_exceptions=False)


def _codes(result: Result) -> list[str]:
    return [finding["code"] for finding in json.loads(result.stdout)["findings"]]


def test_check_may_be_left_out(project: Path) -> None:
    (project / "a.py").write_text(BUGGY)
    short, long = _run("a.py"), _run("check", "a.py")
    assert short.exit_code == long.exit_code == 1
    assert short.stdout.startswith("a.py:3:38: NNL001 ")
    assert short.stdout.splitlines()[:-1] == long.stdout.splitlines()[:-1]


def test_without_a_path_the_current_folder_is_checked(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "a.py").write_text(BUGGY)
    assert _run().stdout.startswith("sub/a.py:3:38: NNL001 ")


def test_standard_input(project: Path) -> None:
    del project
    assert _run("-", stdin=BUGGY).stdout.startswith("<stdin>:3:38: NNL001 ")


def test_standard_input_is_the_file_that_it_is_called(project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    (inner / "nnlint.toml").write_text('exclude = ["old/"]\n[per-file-ignores]\n"b.py" = ["NNL001"]\n')
    shown = _run("--stdin-filename", "inner/a.py", "-", stdin=BUGGY)
    assert shown.stdout.startswith("inner/a.py:3:38: NNL001 ")
    assert _run("--stdin-filename", "inner/b.py", stdin=BUGGY).exit_code == 0
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": BUGGY,
    }
    notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    shown = _run("--stdin-filename", "inner/a.ipynb", "-", stdin=notebook)
    assert shown.stdout.startswith("inner/a.ipynb:cell 1:3:38: NNL001 ")
    assert _run("--stdin-filename", "inner/old/a.py", "-", stdin=BUGGY).exit_code == 1
    assert _run("--force-exclude", "--stdin-filename", "inner/old/a.py", "-", stdin=BUGGY).exit_code == 0
    assert not (inner / "a.py").exists()
    refused = _run("--stdin-filename", "inner/a.py", "inner", stdin=BUGGY)
    assert (refused.exit_code, "standard input alone" in refused.stderr) == (2, True)


def test_what_is_named_is_checked_unless_exclusion_is_forced(project: Path) -> None:
    (project / "nnlint.toml").write_text('exclude = ["old/", "!old/kept.py", "gen_*.py"]')
    (project / "old").mkdir()
    for name in ("old/a.py", "gen_b.py", "c.py"):
        (project / name).write_text(BUGGY)
    names = ("old/a.py", "gen_b.py", "c.py")
    assert _codes(_run("--output-format", "json", *names)) == ["NNL001"] * 3
    left = json.loads(_run("--force-exclude", "--output-format", "json", *names).stdout)["findings"]
    assert [finding["filename"] for finding in left] == ["c.py"]
    assert _run("--force-exclude", "--show-files", "old", ".").stdout.split() == ["c.py"]


@pytest.mark.parametrize(
    ("args", "status"),
    [
        pytest.param(["a.py"], 1, id="findings"),
        pytest.param(["b.py"], 0, id="none"),
        pytest.param(["a.py", "--exit-zero"], 0, id="findings, exit zero"),
        pytest.param(["a.py", "none.py"], 2, id="a missing path outranks findings"),
        pytest.param(["a.py", "none.py", "--exit-zero"], 2, id="exit zero hides no failure"),
        pytest.param(["--ignore", "unused-suppression", "a.py"], 0, id="ignored by name"),
        pytest.param(["a.py", "--ignore=NNL000, NNL001"], 0, id="ignored in a list"),
        pytest.param(["--select", "NNL999", "a.py"], 2, id="a prefix of no rule"),
        pytest.param(["--no-such-option", "a.py"], 2, id="an unknown option"),
        pytest.param(["--output-format", "xml", "a.py"], 2, id="an unknown format"),
    ],
)
def test_the_exit_status(args: list[str], status: int, project: Path) -> None:
    (project / "a.py").write_text(BUGGY)
    (project / "b.py").write_text(CLEAN)
    assert _run(*args).exit_code == status


def test_an_unknown_code_is_one_line_with_a_suggestion() -> None:
    result = _run("--select", "unused-supression", ".")
    assert result.exit_code == 2
    assert result.stderr == (
        "nnlint: `unused-supression` selects no rule; did you mean `unused-suppression`?\n"
    )


def test_settings_come_from_the_project_of_the_first_path(project: Path) -> None:
    (project / "a.py").write_text(BUGGY)
    (project / "pyproject.toml").write_text('[tool.nnlint]\nignore = ["NNL001"]\noutput-format = "json"\n')
    assert _codes(_run("a.py")) == []
    assert "NNL001" in _run("a.py", "--isolated").stdout
    (project / "other.toml").write_text('fail-on = "error"\n')
    result = _run("a.py", "--config", "other.toml")
    assert (result.exit_code, "NNL001" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[tool.nnlint\n", "not valid TOML"),
        ("[tool.nnlint]\nselct = []\n", "did you mean `select`?"),
        ('[tool.nnlint]\noutput-format = "xml"\n', "`output-format` must be one of github, html, json"),
        ('[tool.nnlint]\nignore = ["NNL999x"]\n', "`NNL999x` selects no rule"),
    ],
)
def test_broken_settings_are_one_line(text: str, why: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(text)
    result = _run("check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr
    assert result.stderr.count("\n") == 1


def test_config_and_isolated_exclude_each_other() -> None:
    assert _run("--isolated", "--config", "x.toml").exit_code == 2


BAD_INPUT = {
    "syntax error": b"import torch\nx = (\n",
    "Python 2": b'import torch\nprint "loss", 1\n',
    "binary": b"\x7fELF\x00\x00torch\x00\xff\xfe" * 50,
    "not UTF-8": "import torch\nx = 'é'\n".encode("latin-1"),
    "unknown coding": b"# -*- coding: klingon -*-\nimport torch\n",
    "null byte": b"import torch\nx = 1\x00\n",
}


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_a_file_that_cannot_be_parsed_is_one_finding_and_the_others_are_linted(
    kind: str, project: Path
) -> None:
    (project / "bad.py").write_bytes(BAD_INPUT[kind])
    (project / "worse.py").write_text(BUGGY)
    result = _run("--output-format", "json")
    assert result.exit_code == 1
    assert _codes(result) == ["NNL000", "NNL001"]
    message = json.loads(result.stdout)["findings"][0]["message"]
    assert message
    assert "\n" not in message
    text = _run("bad.py")
    assert text.stdout.startswith("bad.py:")
    assert "Traceback" not in text.stdout + text.stderr


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="blank"),
        pytest.param(b"\xef\xbb\xbfimport torch\n", id="with a byte order mark"),
        pytest.param(b"import torch\r\nx = 1\r\n", id="with Windows line ends"),
        pytest.param(b"# coding: latin-1\nimport torch\nx = '\xe9'\n", id="with a coding line"),
        pytest.param(b"print 'no concern of ours'\n", id="Python 2 without torch"),
    ],
)
def test_unusual_but_sound_files_pass(data: bytes, project: Path) -> None:
    (project / "a.py").write_bytes(data)
    result = _run("a.py", "--select", "ALL")
    assert (result.exit_code, result.stderr) == (0, ""), result.stdout


def test_a_very_long_file_is_linted(project: Path) -> None:
    (project / "a.py").write_text("import torch\n" + "x = 1\n" * 50_000 + BUGGY)
    assert _codes(_run("a.py", "--output-format", "json")) == ["NNL001"]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("x = " + "(" * 5000 + "1" + ")" * 5000, id="parentheses"),
        pytest.param("x = " + "[" * 500 + "]" * 500, id="lists"),
        pytest.param("x = " + "1 + " * 20_000 + "1", id="a long sum"),
        pytest.param("x = " + "f(" * 900 + ")" * 900, id="calls"),
        pytest.param("x = y" + ".a()" * 5000, id="a chain of methods"),
        pytest.param("\n".join(" " * i + "if x:" for i in range(99)) + " pass", id="blocks"),
        pytest.param("x = " + "-" * 20_000 + "1", id="signs"),
    ],
)
def test_deeply_nested_code_ends_in_an_answer(code: str, project: Path) -> None:
    (project / "a.py").write_text(f"import torch\n{code}\n")
    (project / "b.py").write_text(BUGGY)
    done = nnlint("a.py", "b.py", "--output-format", "json", cwd=project)
    assert done.stderr == b""
    report = json.loads(done.stdout)
    assert "NNL001" in [finding["code"] for finding in report["findings"]]
    # Either all was checked, or it is said that a.py was not.
    assert done.returncode == (2 if report["not_run"] else 1)


def test_a_missing_path_and_a_folder_that_refuses(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "secret").mkdir()
    (project / "a.py").write_text(BUGGY)
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = _run("none.py", "secret", "a.py")
    assert result.exit_code == 2
    assert "a.py:3:38: NNL001" in result.stdout
    lines = [line for line in result.stdout.splitlines() if line.startswith("not run: ")]
    assert lines == [
        "not run: none.py: read: No such file or directory",
        "not run: secret: read: Permission denied",
    ]


def test_a_folder_that_may_not_be_searched(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path.parent.name == "secret":
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    (project / "secret").mkdir()
    monkeypatch.setattr(Path, "stat", refuse)
    for path in ("secret", "secret/a.py", f"{'a' * 300}.py"):
        result = _run(path)
        assert result.exit_code == (0 if path == "secret" else 2)
        assert result.stdout.count("\n") == (1 if path == "secret" else 3), result.stdout


def test_explain_prints_the_page_by_code_or_name() -> None:
    by_code, by_name = _run("explain", "nnl001"), _run("explain", "unused-suppression")
    assert by_code.stdout == by_name.stdout
    assert by_code.stdout.startswith("# unused-suppression (NNL001)\n")
    assert by_code.stdout.splitlines()[-1].startswith("warning · ")


def test_explain_renders_markdown_where_colour_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = _run("explain", "NNL001").stdout
    assert "\x1b[" in shown
    assert "```" not in shown


def test_explain_refuses_an_unknown_rule() -> None:
    result = _run("explain", "unused-supression")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean `unused-suppression`?" in result.stderr


def test_rules_lists_every_page() -> None:
    pages = load_pages()
    assert [line.split()[:2] for line in _run("rules").stdout.splitlines()] == [
        [page.code, page.name] for page in pages
    ]
    listed = json.loads(_run("rules", "--output-format", "json").stdout)
    assert [entry["code"] for entry in listed] == [page.code for page in pages]


def test_rules_draws_a_table_where_colour_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "unused-suppression" in _run("rules").stdout


def test_help_groups_the_options_and_names_each_once() -> None:
    for shown in (_run("--help").stdout, _run("check", "--help").stdout):
        titles = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
        assert titles[:7] == [
            *("Rules:", "Fixes:", "Known findings:", "Output:", "Files:", "Work:", "Settings:")
        ]
        for option in cli.commands["check"].params:
            if option.param_type_name == "option":
                first = sorted(option.opts, key=len)[0]
                heads = (f"  {first} ", f"  {first}, ")
                assert sum(line.startswith(heads) for line in shown.splitlines()) == 1


def test_help_teaches_with_examples() -> None:
    shown = _run("--help").stdout
    assert "nnlint train.py" in shown
    assert "--select" in shown
    assert "Exit status" in shown
    assert _run("train.py", "--help").stdout.startswith("Usage: ")


def test_version() -> None:
    assert _run("--version").stdout == f"nnlint {__version__}\n"


@pytest.mark.parametrize(
    ("env", "colored"),
    [
        pytest.param({}, False, id="not a terminal"),
        pytest.param({"FORCE_COLOR": "1"}, True, id="forced"),
        pytest.param({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="refused"),
    ],
)
def test_colour(env: dict[str, str], colored: bool, project: Path) -> None:
    (project / "a.py").write_text(BUGGY)
    done = nnlint("a.py", cwd=project, env=env)
    assert (b"\x1b[" in done.stdout) is colored
    assert re.sub(rb"\x1b\[[\d;]*m", b"", done.stdout).startswith(b"a.py:3:38: NNL001 ")


def test_a_terminal_that_is_not_utf8_gets_no_traceback(project: Path) -> None:
    (project / "a.py").write_text("import torch\nx = '漢'  # nnlint: ignore[syntax-error]\n")
    done = nnlint("a.py", cwd=project, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_reader_that_leaves_early_gets_no_traceback(project: Path) -> None:
    (project / "a.py").write_text(BUGGY * 3000)
    command = f"{sys.executable} -m nnlint a.py | head -n 1"
    done = subprocess.run(command, shell=True, cwd=project, capture_output=True, check=True)
    assert done.stdout.startswith(b"a.py:3:38: NNL001 ")
    assert done.stderr == b""


def test_an_interrupt_ends_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Linter, "check", interrupt)
    monkeypatch.setattr(sys, "argv", ["nnlint", str(project)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "nnlint: interrupted"


def test_the_module_can_be_run(project: Path) -> None:
    assert nnlint("--version", cwd=project).stdout.decode() == f"nnlint {__version__}\n"


def test_the_tool_passes_its_own_check() -> None:
    assert _run(str(CHECKOUT / "nnlint"), str(CHECKOUT / "tests"), "--ignore", "NNL001").exit_code == 0
