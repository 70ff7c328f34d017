"""The cache: the same findings with it as without, and nothing that its folder holds can do harm."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import CHECKOUT

from nnlint.cache import Cache
from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.file_result import FileResult
from nnlint.finding import Finding, Report, Severity
from nnlint.identity import identity

IDENTITY = identity()
FIXTURES = sorted((CHECKOUT / "fixtures" / "buggy").glob("*.py"))
BUG = "import torch\nx = torch.softmax(y)\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a file can be to the linter, and a sample of whole scripts."""
    top = tmp_path_factory.mktemp("tree")
    for path in FIXTURES[::24]:
        shutil.copy(path, top)
    (top / "bug.py").write_text(BUG)
    (top / "clean.py").write_text("import torch\n")
    (top / "other.py").write_text("x = (\n")  # no torch in it: nobody parses it
    (top / "broken.py").write_text("import torch\nx = (\n")
    (top / "silenced.py").write_text(BUG.replace("(y)", "(y)  # nnlint: ignore[NNL410] known"))
    (top / "unused.py").write_text("import torch\nx = 1  # nnlint: ignore[NNL410]\n")
    (top / "bom.py").write_bytes(b"\xef\xbb\xbf" + BUG.encode())
    (top / "crlf.py").write_bytes(BUG.replace("\n", "\r\n").encode())
    (top / "latin.py").write_bytes(b"# coding: latin-1\n# \xe9\n" + BUG.encode())
    (top / "undecodable.py").write_bytes(b"import torch\n# \xff\n")
    (top / "null.py").write_bytes(b"import torch\n\0\n")
    old = top / "old"
    old.mkdir()
    (old / "bug.py").write_text(BUG)
    cells = [BUG, "import torch\nx = (\n", "x = 1\n"]
    for name, language in (("book", "python"), ("julia", "julia")):
        notebook = {
            "cells": [
                {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
                for cell in cells
            ],
            "metadata": {"language_info": {"name": language}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (top / f"{name}.ipynb").write_text(json.dumps(notebook))
    return top


def _cache(folder: Path, project: Path) -> Cache:
    return Cache(folder, project, IDENTITY)


def _same(report: Report) -> tuple[object, ...]:
    report = replace(report, seconds=0.0)
    return (report, report.sources, report.stale, [finding.url for finding in report.findings])


def _settings(tree: Path, **settings: object) -> Config:
    return replace(Config(path=tree / "nnlint.toml"), **settings)  # type: ignore[arg-type]


@pytest.fixture
def no_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing may be looked at."""

    def refuse(*_: object) -> None:
        raise AssertionError("looked at")

    monkeypatch.setattr(Linter, "look", refuse)


SETTINGS: dict[str, dict[str, object]] = {
    "defaults": {},
    "all rules": {"select": ("ALL",)},
    "severities": {"severity": {"NNL410": Severity.INFO, "NNL000": Severity.WARNING}},
    "a site": {"docs_url": "https://example.org"},
    "ignored by file": {"per_file_ignores": {"old/": ("NNL410",), "b*.py": ("NNL000",)}},
    "a baseline": {"baseline": "known.json"},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_second_run_looks_at_nothing_and_says_the_same(
    settings: dict[str, object], tree: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "baseline" in settings:
        known = CliRunner().invoke(cli, ["baseline", str(tree / "old"), "--output", str(tree / "known.json")])
        assert known.exit_code in (0, 1), known.output
        request.addfinalizer((tree / "known.json").unlink)
    linter = Linter.load(_settings(tree, **settings))
    plain = linter.check([tree])
    assert plain.findings
    assert plain.files == 13 + len(FIXTURES[::24])
    with _cache(tmp_path / "c", tree) as cache:
        assert _same(linter.check([tree], cache=cache)) == _same(plain)
    request.getfixturevalue("no_looking")
    with _cache(tmp_path / "c", tree) as cache:
        assert _same(Linter.load(_settings(tree, **settings)).check([tree], cache=cache)) == _same(plain)


def test_one_cache_serves_all_settings(tree: Path, tmp_path: Path) -> None:
    """What one selection has found is not told to another; severities are no part of what is found."""
    for _ in range(2):
        every: list[dict[str, object]] = [
            *SETTINGS.values(),
            {"ignore": ("NNL410",)},
            {"select": ("NNL410",)},
        ]
        for settings in every:
            if "baseline" not in settings:
                linter = Linter.load(_settings(tree, **settings))
                with _cache(tmp_path / "c", tree) as cache:
                    found = linter.check([tree / "bug.py", tree / "old", tree / "broken.py"], cache=cache)
                assert _same(found) == _same(
                    linter.check([tree / "bug.py", tree / "old", tree / "broken.py"])
                )


def test_a_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    linter = Linter.load(_settings(tmp_path))
    for text in (BUG, "import torch\n", BUG):
        path.write_text(text)
        with _cache(tmp_path / "c", tmp_path) as cache:
            found = linter.check([path], cache=cache).findings
        assert [finding.code for finding in found] == (["NNL410"] if text == BUG else [])


def test_another_nnlint_believes_nothing(tmp_path: Path) -> None:
    with _cache(tmp_path / "c", tmp_path) as cache:
        key = cache.key(b"x", cache.facts("NNL410"))
        cache.put(key, "y")
    again = _cache(tmp_path / "c", tmp_path)
    assert again.get(key) == "y"
    other = Cache(tmp_path / "c", tmp_path, bytes(32))
    assert other.get(other.key(b"x", other.facts("NNL410"))) is None
    keys = {again.key(data, again.facts(*facts)) for data in (b"x", b"y") for facts in ((), ("a",), ("b",))}
    assert len(keys) == 6


def test_what_was_not_run_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_text(BUG)
    linter = Linter.load(_settings(tmp_path))
    with monkeypatch.context() as patch, _cache(tmp_path / "c", tmp_path) as cache:
        rule = next(rule for rule in linter.source_rules if rule.page.code == "NNL410")
        patch.setattr(type(rule), "check_source", lambda *_: 1 // 0)
        (entry,) = linter.check([path], cache=cache).not_run
        assert "ZeroDivisionError" in entry.why
    with _cache(tmp_path / "c", tmp_path) as cache:
        report = linter.check([path], cache=cache)
    assert (len(report.findings), report.not_run) == (1, ())


GARBAGE: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text[:0],
    "a header alone": lambda text: text.split("\n")[0],
    "half of it": lambda text: text[: len(text) * 2 // 3],
    "another version": lambda text: text.replace("nnlint cache 1", "nnlint cache 0"),
    "no JSON": lambda text: text.replace("{", "["),
    "other words": lambda text: text.replace("softmax", "softmin"),
    "binary": lambda text: "\0\xff" * len(text),
    "no day": lambda text: re.sub(r" \d{5} ", " today ", text),
}


@pytest.mark.parametrize("spoil", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_entry(spoil: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(BUG)
    linter = Linter.load(_settings(tmp_path))
    with _cache(tmp_path / "c", tmp_path) as cache:
        right = linter.check([path], cache=cache)
    written = cache.path.read_text()
    assert "softmax" in written
    cache.path.write_text(spoil(written), encoding="latin-1")
    with _cache(tmp_path / "c", tmp_path) as cache:
        assert _same(linter.check([path], cache=cache)) == _same(right)
    assert _cache(tmp_path / "c", tmp_path).path.read_text().count("softmax") == written.count("softmax")


def test_a_repair_never_stands_on_the_cache(tmp_path: Path) -> None:
    """A planted line can hide a bug or make one up; it cannot write into a file."""
    path = tmp_path / "a.py"
    path.write_text(BUG)
    linter = Linter.load(_settings(tmp_path))
    with _cache(tmp_path / "c", tmp_path) as cache:
        linter.check([path], cache=cache)
    seen: list[tuple[Finding, ...]] = []

    def treat(data: bytes, result: FileResult) -> FileResult:
        assert data == BUG.encode()
        seen.append(result.findings)
        return result

    planted = cache.path.read_text().replace("NNL410", "NNL303")
    cache.path.write_text(planted)
    with _cache(tmp_path / "c", tmp_path) as cache:
        linter.check([path], treat, cache=cache)
    assert [finding.code for finding in seen[0]] == ["NNL410"]


def test_the_folder_is_marked_when_it_is_made_and_left_alone_otherwise(tmp_path: Path) -> None:
    with _cache(tmp_path / "made" / "here", tmp_path) as cache:
        cache.put("k", "")
    folder = tmp_path / "made" / "here"
    assert {path.name for path in folder.iterdir()} == {"CACHEDIR.TAG", ".gitignore", cache.path.name}
    assert (folder / ".gitignore").read_text() == "*\n"
    (tmp_path / "own").mkdir()
    with _cache(tmp_path / "own", tmp_path) as cache:
        cache.put("k", "")
    assert [path.name for path in (tmp_path / "own").iterdir()] == [cache.path.name]


def test_nothing_found_anew_nothing_written(tmp_path: Path) -> None:
    with _cache(tmp_path / "c", tmp_path):
        pass
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("folder", ["/proc/nnlint", "a_file", "/dev/null/x"])
def test_a_folder_that_cannot_be_written_is_no_cache(folder: str, tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("")
    (tmp_path / "a.py").write_text(BUG)
    linter = Linter.load(_settings(tmp_path))
    for _ in range(2):
        with _cache(tmp_path / folder, tmp_path) as cache:
            report = linter.check([tmp_path / "a.py"], cache=cache)
        assert (len(report.findings), report.not_run) == (1, ())


def test_what_was_not_used_for_long_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = int(time.time() // 86_400)
    monkeypatch.setattr("nnlint.cache.time.time", lambda: (day - 29) * 86_400.0)
    with _cache(tmp_path / "c", tmp_path) as cache:
        cache.put("a" * 40, "old")
        cache.put("b" * 40, "used")
    monkeypatch.setattr("nnlint.cache.time.time", lambda: (day - 1) * 86_400.0)
    with _cache(tmp_path / "c", tmp_path) as cache:
        assert cache.get("b" * 40) == "used"
    monkeypatch.setattr("nnlint.cache.time.time", lambda: (day + 1) * 86_400.0)
    stale = tmp_path / "c" / "0123.lines"
    killed = tmp_path / "c" / ".0123.lines.x7"
    foreign = tmp_path / "c" / "notes.txt"
    for path in (stale, killed, foreign):
        path.write_text("")
        os.utime(path, (0, 0))
    with _cache(tmp_path / "c", tmp_path) as cache:
        cache.put("c" * 40, "new")
    left = _cache(tmp_path / "c", tmp_path)
    assert [left.get(letter * 40) for letter in "abc"] == [None, "used", "new"]
    assert [path.exists() for path in (stale, killed, foreign)] == [False, False, True]


def test_two_runs_at_once_keep_what_both_have_found(tmp_path: Path) -> None:
    with _cache(tmp_path / "c", tmp_path) as one, _cache(tmp_path / "c", tmp_path) as other:
        one.put("a" * 40, "one")
        other.put("b" * 40, "other")
    left = _cache(tmp_path / "c", tmp_path)
    assert (left.get("a" * 40), left.get("b" * 40)) == ("one", "other")


WRITER = """
import sys
from pathlib import Path
from nnlint.cache import Cache
turn = 0
while True:
    turn += 1
    with Cache(Path(sys.argv[1]), Path(sys.argv[2]), bytes(32)) as cache:
        cache.put(f"{turn:040x}", "x" * 2000)
        cache.put("f" * 40, "always")
    if turn == 3:
        print("writing", flush=True)
"""


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "c"), str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    yield running
    for process in running:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_a_run_that_is_killed_while_it_writes_leaves_a_whole_file(
    writers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    for process in writers:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        cache = Cache(tmp_path / "c", tmp_path, bytes(32))
        assert cache.get("f" * 40) == "always"
        assert cache.path.read_bytes().endswith(b"\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NNLINT_NO_CACHE")
    monkeypatch.delenv("NNLINT_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "a.py").write_text(BUG)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "env", "settings", "where"),
    [
        ((), {}, "", None),
        (("--cache-dir", "here"), {"NNLINT_CACHE_DIR": "there"}, "cache-dir = 'set'", "work/here"),
        ((), {"NNLINT_CACHE_DIR": "there"}, "cache-dir = 'set'", "work/there"),
        ((), {}, "cache-dir = 'set'", "work/set"),
        (("--no-cache",), {}, "cache-dir = 'set'", ""),
        ((), {"NNLINT_NO_CACHE": "1"}, "", ""),
    ],
)
def test_where_the_cache_is(
    args: tuple[str, ...], env: dict[str, str], settings: str, where: str | None, project: Path
) -> None:
    (project / "work" / "nnlint.toml").write_text(settings)
    first = CliRunner().invoke(cli, [*args, "a.py"], env=env)
    again = CliRunner().invoke(cli, [*args, "a.py"], env=env)
    assert (first.exit_code, again.exit_code) == (1, 1)
    first_said, again_said = (result.output.partition("\n\nFound")[0] for result in (first, again))
    assert first_said == again_said
    if where is None:
        where = "xdg/nnlint" if sys.platform == "linux" else os.path.relpath(_default(), project)
    found = {str(path.parent.relative_to(project)) for path in project.rglob("*.lines")}
    assert found == ({where} if where else set())


def _default() -> Path:
    from nnlint.cache import default_folder

    return default_folder()


@pytest.mark.usefixtures("project")
def test_a_warm_run_imports_neither_the_parser_nor_a_rule() -> None:
    code = (
        "import sys, runpy\n"
        "try: runpy.run_module('nnlint', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'libcst', 'rich', 'nnlint.rule', 'multiprocessing'} & set(sys.modules)\n"
        "heavy |= {name for name in sys.modules if name.startswith('nnlint.rules.')}\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    heavy = [
        subprocess.run([sys.executable, "-c", code, "a.py"], capture_output=True, check=True, env=env).stderr
        for _ in range(2)
    ]
    assert b"libcst" in heavy[0]
    assert heavy[1] == b"[]\n"
