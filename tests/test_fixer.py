"""`--fix`, `--diff`, `--unsafe-fixes`: what is written, what is left alone, and what is said about it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support import make_page

from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.finding import Applicability
from nnlint.fixer import Changed, Fixer, diff
from nnlint.rule import Draft, Insertion, Problem, Replacement, Rule
from nnlint.static.model import ScriptModel

HEAD = "import torch\nfrom torch import nn\n\nnet = nn.Linear(2, 2)\n"
SAFE = HEAD + "net.eval\n"
FIXED = HEAD + "net.eval()\n"
# `--isolated` and one rule: quick, and no other rule's findings come between.
RULES = ("--isolated", "--select", "NNL309,NNL406")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _run(*args: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["check", *RULES, *args], input=stdin, catch_exceptions=False)


def test_fix_applies_safe_fixes_and_reports_what_is_left(project: Path) -> None:
    (project / "a.py").write_text(SAFE + "blocks = nn.Sequential(*[nn.Linear(2, 2)] * 3)\n")
    result = _run("--fix", "a.py")
    assert result.exit_code == 1
    assert (project / "a.py").read_text().startswith(FIXED)
    assert "NNL309" not in result.stdout
    assert "Found 2 findings (1 fixed, 1 remaining) in 1 file (" in result.stdout
    assert result.stdout.endswith(
        "None fixable with --fix (1 hidden fix can be enabled with --unsafe-fixes).\n"
    )
    result = _run("--fix", "--unsafe-fixes", "a.py")
    assert result.exit_code == 0
    assert "Found 1 finding (1 fixed, 0 remaining) in 1 file (" in result.stdout
    assert "for _ in range(3)]" in (project / "a.py").read_text()
    before = (project / "a.py").stat().st_mtime_ns
    assert _run("--fix", "--unsafe-fixes", "a.py").stdout.startswith("No findings in 1 file")
    assert (project / "a.py").stat().st_mtime_ns == before


def test_the_report_says_what_fix_could_do(project: Path) -> None:
    (project / "a.py").write_text(SAFE + "blocks = nn.Sequential(*[nn.Linear(2, 2)] * 3)\n")
    assert _run("a.py").stdout.endswith(
        "\n1 fixable with --fix (1 hidden fix can be enabled with --unsafe-fixes).\n"
    )
    assert _run("a.py", "--unsafe-fixes").stdout.endswith("\n2 fixable with --fix.\n")
    found = json.loads(_run("a.py", "--output-format", "json").stdout)["findings"]
    assert [finding["fix"]["applicability"] for finding in found] == ["safe", "unsafe"]
    assert found[0]["fix"]["edits"] == [
        {
            "content": "()",
            "cell": None,
            "location": {"row": 5, "column": 9},
            "end_location": {"row": 5, "column": 9},
        }
    ]


def test_diff_changes_nothing_and_can_be_applied(project: Path) -> None:
    (project / "sub").mkdir()
    old = SAFE.replace("\n", "\r\n").rstrip().encode("utf-8-sig")
    (project / "sub" / "a.py").write_bytes(old)
    (project / "b.py").write_text(FIXED)
    result = _run("--diff")
    assert result.exit_code == 1
    assert result.stderr == "Would fix 1 finding.\n"
    assert (project / "sub" / "a.py").read_bytes() == old
    assert result.stdout_bytes.startswith(b"--- sub/a.py\n+++ sub/a.py\n@@ -")
    subprocess.run(["git", "apply", "-p0", "-"], input=result.stdout_bytes, check=True, cwd=project)
    assert (project / "sub" / "a.py").read_bytes() == FIXED.replace("\n", "\r\n").rstrip().encode("utf-8-sig")
    result = _run("--diff")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Would fix nothing.\n")


def test_diff_counts_what_unsafe_fixes_would_add(project: Path) -> None:
    (project / "a.py").write_text(HEAD + "blocks = nn.Sequential(*[nn.Linear(2, 2)] * 3)\n")
    result = _run("--diff", "a.py")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Would fix nothing (1 fix available with --unsafe-fixes).\n"
    result = _run("--diff", "--unsafe-fixes", "a.py")
    assert (result.exit_code, result.stderr) == (1, "Would fix 1 finding.\n")
    assert _run("--diff", "--unsafe-fixes", "--exit-zero", "a.py").exit_code == 0


@pytest.mark.parametrize("text", [SAFE, FIXED, "x = 1\n", "", "import torch\nx = (\n"], ids=repr)
def test_standard_input_is_written_to_standard_output(text: str) -> None:
    result = _run("--fix", "-", stdin=text.encode())
    assert result.stdout == (FIXED if text == SAFE else text)
    assert result.exit_code == int("(\n" in text)
    assert "in 1 file (" in result.stderr


def test_a_diff_of_standard_input_has_no_file_name() -> None:
    result = _run("--diff", "-", stdin=SAFE.encode())
    assert result.stdout.startswith("@@ -2,4 +2,4 @@\n")
    assert result.stdout.endswith("-net.eval\n+net.eval()\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param("# grüße\n" + SAFE, "utf-8", id="UTF-8"),
        pytest.param("# grüße\n" + SAFE, "utf-8-sig", id="with a byte order mark"),
        pytest.param("# coding: latin-1\n# grüße\n" + SAFE, "latin-1", id="Latin-1"),
        pytest.param("# 漢\n" + SAFE.replace("\n", "\r\n"), "utf-8", id="CRLF"),
        pytest.param(SAFE.replace("\n", "\r"), "utf-8", id="CR"),
        pytest.param(SAFE.replace("torch\n", "torch\r\n"), "utf-8", id="mixed line ends"),
        pytest.param(SAFE + "\fx = '''\ra\rb\n\x1c\u2028'''; net.eval", "utf-8", id="odd white space"),
    ],
)
def test_encoding_and_line_ends_stay(text: str, encoding: str, project: Path) -> None:
    (project / "a.py").write_bytes(text.encode(encoding))
    result = _run("--fix", "a.py")
    assert result.exit_code == 0, result.stdout
    assert (project / "a.py").read_bytes() == text.replace("net.eval", "net.eval()").encode(encoding)


def test_permissions_stay_and_nothing_else_is_left_behind(project: Path) -> None:
    path = project / "a.py"
    path.write_text(SAFE)
    path.chmod(0o754)
    assert _run("--fix", "a.py").exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o754
    assert [path.name for path in project.iterdir()] == ["a.py"]


def test_a_symbolic_link_stays_one(project: Path) -> None:
    (project / "real").mkdir()
    (project / "real" / "b.txt").write_text(SAFE)
    (project / "a.py").symlink_to("real/b.txt")
    assert _run("--fix", "a.py").exit_code == 0
    assert (project / "a.py").is_symlink()
    assert (project / "real" / "b.txt").read_text() == FIXED


def _not_run(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line.startswith("not run: ")]


def test_a_read_only_file_is_one_line(project: Path) -> None:
    (project / "a.py").write_text(SAFE)
    (project / "a.py").chmod(0o444)
    (project / "b.py").write_text(SAFE)
    result = _run("--fix")
    assert result.exit_code == 2
    assert _not_run(result) == ["not run: a.py: fix: the file is read-only"]
    assert "a.py:5:1: NNL309" in result.stdout
    assert ((project / "a.py").read_text(), (project / "b.py").read_text()) == (SAFE, FIXED)


def test_a_failing_write_leaves_the_file_whole(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (project / "a.py").write_text(SAFE)
    monkeypatch.setattr(Path, "replace", fail)
    result = _run("--fix")
    assert _not_run(result) == ["not run: a.py: fix: cannot write: No space left on device"]
    assert (project / "a.py").read_text() == SAFE
    assert [path.name for path in project.iterdir()] == ["a.py"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"import torch\nx = (\n", "", id="syntax error"),
        pytest.param(b"import torch\nprint 'x'\n", "", id="Python 2"),
        pytest.param(b"\x7fELF\x00torch", "", id="binary"),
        pytest.param("import torch\nx = 'é'\n".encode("latin-1"), "", id="not UTF-8"),
        pytest.param(b"", "", id="empty"),
        pytest.param((SAFE + "return 1\n").encode(), "'return' outside function", id="does not compile"),
    ],
)
def test_a_broken_file_is_not_touched(data: bytes, why: str, project: Path) -> None:
    (project / "a.py").write_bytes(data)
    (project / "b.py").write_text(SAFE)
    for option in ("--diff", "--fix"):
        result = _run(option)
        assert "Traceback" not in result.output
        assert (project / "a.py").read_bytes() == data
    assert (project / "b.py").read_text() == FIXED
    assert result.exit_code == (2 if why else 1 if data else 0)
    assert [why in line for line in _not_run(result)] == [True] * bool(why)


def test_a_diff_says_what_it_could_not_look_at(project: Path) -> None:
    (project / "a.py").write_text("import torch\nx = (\n")
    result = _run("--diff", "a.py", "none.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "nnlint: none.py: read: No such file or directory",
        "nnlint: a.py:2: not fixed: '(' was never closed",
        "Would fix nothing.",
    ]


def test_a_suppressed_finding_is_not_fixed(project: Path) -> None:
    (project / "a.py").write_text(SAFE.replace("net.eval", "net.eval  # nnlint: ignore[NNL309] meant"))
    assert _run("--diff").exit_code == 0


def test_statistics_count_by_rule(project: Path) -> None:
    (project / "a.py").write_text(SAFE + "net.eval\nblocks = nn.Sequential(*[nn.Linear(2, 2)] * 3)\n")
    lines = _run("--statistics").stdout.splitlines()
    assert lines[:3] == ["2  NNL309  [*] uncalled-method", "1  NNL406      shared-layer-repeat", ""]
    assert lines[3].startswith("Found 2 errors and 1 warning in 1 file")
    counts = json.loads(_run("--statistics", "--output-format", "json").stdout)
    assert counts[0] == {"code": "NNL309", "name": "uncalled-method", "count": 2, "fixable": 2}


def test_show_files_lists_and_checks_nothing(project: Path) -> None:
    (project / "a.py").write_text(SAFE)
    (project / "b.txt").write_text("")
    result = _run("--show-files", ".", "none.py")
    assert (result.exit_code, result.stdout) == (2, "a.py\n")
    assert result.stderr == "nnlint: none.py: No such file or directory\n"


# -- rules of our own, that offer difficult fixes -------------------------------------------------


class Misfit(Rule, page=make_page(name="test-fixer", code="NNL998", fix="safe")):
    """At each call of `f`: whatever the test wants."""

    draft = staticmethod(lambda _, call: Draft("m", (Insertion(call.node, "("),)))

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls:
            if call.node is not None and script.text(call.node).startswith("f("):
                yield self.problem(call.node, "wrong", fix=self.draft(script, call))


def _fix(text: str, draft: object, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str], int]:
    monkeypatch.setattr(Misfit, "draft", staticmethod(draft))  # type: ignore[arg-type]
    linter = replace(Linter.load(Config()), rules=(Misfit(),), codes={"NNL998"})
    fixer = Fixer(linter, unsafe=False, write=False)
    data = ("import torch\n" + text).encode()
    result = fixer(data, linter.check_bytes(data, "<stdin>"))
    return fixer.stdin.decode().removeprefix("import torch\n"), [e.why for e in result.not_run], fixer.fixed


def test_a_fix_that_would_not_compile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text, why, fixed = _fix("f(1)\n", lambda _, call: Draft("m", (Insertion(call.node, "("),)), monkeypatch)
    assert (text, fixed) == ("f(1)\n", 0)
    assert why == ["the fixed file would not compile, so it stays as it is: line 2: '(' was never closed"]


def test_a_fix_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def draft(script: ScriptModel, call: object) -> Draft:
        node = call.node  # type: ignore[attr-defined]
        return Draft("m", (Replacement(node, script.module.code_for_node(node)[:-1] + ", 1)"),))

    text, why, _ = _fix("f(1)\n", draft, monkeypatch)
    assert text == "f(1)\n"
    assert why == ["fixes keep calling for more fixes after 20 rounds; the file stays as it is"]


def test_fixes_that_overlap_are_applied_one_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def draft(script: ScriptModel, call: object) -> Draft:
        node = call.node  # type: ignore[attr-defined]
        return Draft("m", (Replacement(node, "g" + script.module.code_for_node(node)[1:]),))

    assert _fix("f(f(f(1)))\n", draft, monkeypatch) == ("g(g(g(1)))\n", [], 3)


def test_unsafe_fixes_wait_for_their_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def draft(_: ScriptModel, call: object) -> Draft:
        node = call.node  # type: ignore[attr-defined]
        return Draft("m", (Replacement(node, "g"),), Applicability.UNSAFE)

    assert _fix("f(1)\n", draft, monkeypatch) == ("f(1)\n", [], 0)


def test_a_diff_of_nothing_is_empty() -> None:
    assert diff([]) == b""


def test_colour_adds_nothing_but_colour_to_a_diff() -> None:
    change = Changed("a.py", b"x = 1\r\ny\r\n", b"x = 2\r\ny\r\n", "utf-8")
    colored = diff([change], color=True)
    assert b"\x1b[31m-x = 1\x1b[0m\r\n\x1b[32m+x = 2\x1b[0m\r\n y\r\n" in colored
    assert re.sub(rb"\x1b\[\d*m", b"", colored) == diff([change])
