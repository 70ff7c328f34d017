"""`--watch` and shell completion, as processes of their own."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import python

from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.watching import reports

SCRIPT = "import torch\nfrom torch import nn\n\nnet = nn.Linear(2, 2)\nnet.eval\n"
FIXED = SCRIPT.replace("net.eval", "net.eval()")
# Where watchfiles is not installed, nnlint looks for itself.
POLLING = "import sys; sys.modules['watchfiles'] = None; from nnlint.cli import main; main()"


class Watched:
    """A running `nnlint --watch` whose lines can be waited for."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command, "check", "--watch", "--select", "NNL309", "."],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def until(self, fits: Callable[[str], bool]) -> str:
        """The first line that fits."""
        end = time.monotonic() + 60
        seen = ""
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=1)
            except queue.Empty:
                continue
            if fits(line):
                return line
            seen += line
        raise AssertionError(f"no such line in:\n{seen}")


@pytest.fixture(params=["watchfiles", "polling"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "a.py").write_text(SCRIPT)
    command = ("-m", "nnlint") if request.param == "watchfiles" else ("-c", POLLING)
    running = Watched(command, tmp_path)
    yield running
    running.close()


@pytest.mark.slow
def test_changes_are_linted_until_ctrl_c(watched: Watched, tmp_path: Path) -> None:
    watched.until(lambda line: line.startswith("a.py:5:1: NNL309 "))
    watched.until(lambda line: line.startswith("Watching"))
    (tmp_path / "b.ipynb").write_text('{"cells": []}')
    (tmp_path / "new.tmp").write_text(FIXED)
    (tmp_path / "new.tmp").replace(tmp_path / "a.py")
    watched.until(lambda line: line.startswith("No findings in 2 files"))
    (tmp_path / "c.py").write_text(SCRIPT)
    watched.until(lambda line: line.startswith("c.py:5:1: NNL309 "))
    (tmp_path / "c.py").unlink()
    watched.until(lambda line: line.startswith("No findings in 2 files"))
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(120) == 0
    rest = []
    while not watched.lines.empty():
        rest.append(watched.lines.get())
    assert not any("Traceback" in line for line in rest)


def test_only_what_changed_is_linted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linted: list[str] = []
    plain = Linter.look

    def look(self: Linter, data: bytes, filename: str) -> object:
        linted.append(Path(filename).name)
        return plain(self, data, filename)

    monkeypatch.setattr(Linter, "look", look)
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    monkeypatch.setattr("nnlint.watching.PAUSE", 0.01)
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(SCRIPT)
    with contextlib.closing(reports(Linter.load(Config(select=("NNL309",))), [str(tmp_path)])) as seen:
        assert len(next(seen).findings) == 2
        (tmp_path / "b.py").write_text(FIXED)
        report = next(seen)
    assert ([Path(each.filename).name for each in report.findings], report.files) == (["a.py"], 2)
    assert linted == ["a.py", "b.py", "b.py"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell], catch_exceptions=False)
    assert result.exit_code == 0
    assert "_NNLINT_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("nnlint ex", ["explain", "ex"]),
        ("nnlint explain NNL309", ["NNL309"]),
        ("nnlint a.py ex", ["ex"]),
        ("nnlint check --add", ["--add-ignores"]),
        ("nnlint --wat", ["--watch"]),
        ("nnlint --select uncalled", ["uncalled-method"]),
        ("nnlint --output-format sa", ["sarif"]),
        ("nnlint completion z", ["zsh"]),
    ],
)
def test_a_shell_is_offered_what_fits(words: str, offered: list[str], tmp_path: Path) -> None:
    env = {
        "_NNLINT_COMPLETE": "fish_complete",
        "COMP_WORDS": words.rpartition(" ")[0],
        "COMP_CWORD": words.rpartition(" ")[2],
    }
    code = "from nnlint.cli import cli; cli(prog_name='nnlint')"
    done = python("-c", code, cwd=tmp_path, env=env)
    lines = [
        line.split(",", 1)[1].split("\t")[0] for line in done.stdout.decode().splitlines() if "," in line
    ]
    assert [line for line in lines if line] == offered, done.stdout + done.stderr
