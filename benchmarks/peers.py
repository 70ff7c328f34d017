"""The tools that are compared, each in an environment where it can run; made on demand, kept in the cache."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sources import CACHE

ROOT = Path(__file__).resolve().parent.parent

# Pinned, so that figures of different days compare; raise them by hand.
TORCHFIX = "torchfix==0.7.0"
DSLINTER = "dslinter==2.0.9"
FIXIT = "fixit==2.2.1"
RUFF = "ruff==0.17.5"
TRAINCHECK = "traincheck==0.2.0"
# What it needs beside torch and numpy, which are those of nnlint's own environment: a second torch would be
# gigabytes, and another one than that it is compared on.
_TRAINCHECK_NEEDS = (
    "astor", "llvmlite", "numba", "orjson", "pandas", "polars", "polars-runtime-32", "python-dateutil",
    "pytz", "pyyaml", "six", "tqdm", "tzdata", "watchdog",
)  # fmt: skip

# What it remembers of files is no part of the comparison, and neither is a second core.
NNLINT = (
    sys.executable, "-m", "nnlint", "check", "--isolated", "--exit-zero", "--output-format=json",
    "--no-cache", "--jobs=1",
)  # fmt: skip

_PARSE = """
import sys
from pathlib import Path
import libcst
for name in Path(sys.argv[1]).read_text().splitlines():
    try:
        libcst.parse_module(Path(name).read_bytes())
    except Exception:
        pass
"""

# dslinter is a plugin: all of its own messages, none of pylint's.
_DSLINTER_MESSAGES = (
    "import-pandas,import-numpy,import-pyplot,import-sklearn,import-tensorflow,import-pytorch,nan-numpy,"
    "unnecessary-iteration-pandas,unnecessary-iteration-tensorflow,datatype-pandas,column-selection-pandas,"
    "merge-parameter-pandas,hyperparameters-scikitlearn,hyperparameters-tensorflow,hyperparameters-pytorch,"
    "dataframe-iteration-modification-pandas,chain-indexing-pandas,inplace-pandas,dataframe-conversion-pandas,"
    "scaler-missing-scikitlearn,memory-release-tensorflow,deterministic-pytorch,randomness-control-numpy,"
    "randomness-control-scikitlearn,randomness-control-tensorflow,randomness-control-pytorch,"
    "randomness-control-dataloader-pytorch,missing-mask-tensorflow,missing-mask-pytorch,tensor-array-tensorflow,"
    "forward-pytorch,gradient-clear-pytorch,pipeline-not-used-scikitlearn,dependent-threshold-scikitlearn,"
    "dependent-threshold-tensorflow,dependent-threshold-pytorch"
)


class PeerError(Exception):
    """The tool cannot be installed here; the message says why in one line."""


@dataclass(frozen=True)
class Tool:
    """A program that reads Python files. `command` maps (files, a file that lists them) to arguments."""

    name: str
    version: str
    command: Callable[[Sequence[str], Path], list[str]]
    expected: frozenset[int] = frozenset({0})


def parse() -> Tool:
    """The floor: libcst, in nnlint's own environment, parses every file and throws the tree away."""
    return Tool(
        "libcst parse", _own("libcst"), lambda _, listing: [sys.executable, "-c", _PARSE, str(listing)]
    )


def nnlint() -> Tool:
    # 2: a file was not fit to be read; the others were.
    return Tool("nnlint", _own("nnlint"), lambda files, _: [*NNLINT, *files], frozenset({0, 2}))


def torchfix() -> Tool:
    """Its default rules in one process; its libcst pin keeps it out of nnlint's environment."""
    python = _environment(TORCHFIX, sys.executable)
    program = str(python.with_name("torchfix"))
    version = f"{_pin_version(TORCHFIX)}, libcst {_version(python, 'libcst')}"
    return Tool("TorchFix", version, lambda files, _: [program, "-j", "1", *files], frozenset({0, 1}))


def dslinter() -> Tool:
    python = _environment(DSLINTER, _python310())
    command = [str(python), "-m", "pylint", "--load-plugins=dslinter", "--disable=all", "--jobs=1"]
    command += [f"--enable={_DSLINTER_MESSAGES}", "--score=n", "--rcfile=/dev/null"]
    version = f"{_pin_version(DSLINTER)}, pylint {_version(python, 'pylint')}, Python 3.10"
    # pylint's status is a bit mask; 32 is wrong usage, 1 a crash in some file.
    return Tool("dslinter", version, lambda files, _: [*command, *files], frozenset(range(32)))


def fixit() -> Tool:
    """Another libcst linter: its default rules, which know nothing of torch, one file after the other."""
    python = _environment(FIXIT, sys.executable)
    program = str(python.with_name("fixit"))
    version = f"{_pin_version(FIXIT)}, libcst {_version(python, 'libcst')}"
    # Its status is a bit mask too: findings, files that it cannot read.
    command = [program, "--quiet", "lint"]
    return Tool("Fixit", version, lambda files, _: [*command, *files], frozenset(range(8)))


def ruff() -> Tool:
    """Another trade, in Rust: what is possible at all."""
    program = str(_environment(RUFF, sys.executable).with_name("ruff"))
    command = [program, "check", "--isolated", "--no-cache", "--exit-zero", "--quiet"]
    return Tool("ruff", _pin_version(RUFF), lambda files, _: [*command, *files])


def traincheck() -> Path:
    """The folder of its modules, for this Python."""
    folder = CACHE / "tools" / TRAINCHECK
    finished = folder / "installed"
    if not finished.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command = [*install, "--target", str(folder), TRAINCHECK, *_TRAINCHECK_NEEDS]
        _do(command, f"{TRAINCHECK} does not install")
        finished.touch()
    return folder


PEERS: dict[str, Callable[[], Tool]] = {
    "torchfix": torchfix, "dslinter": dslinter, "fixit": fixit, "ruff": ruff,
}  # fmt: skip


def _environment(pin: str, interpreter: str) -> Path:
    """The Python of a virtual environment that holds the pinned tool."""
    folder = CACHE / "tools" / pin
    python = folder / "bin" / "python"
    finished = folder / "installed"
    if finished.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pin]
    for command in ([interpreter, "-m", "venv", str(folder)], install):
        _do(command, f"{pin} does not install with {interpreter}")
    finished.touch()
    return python


def _do(command: list[str], failure: str) -> None:
    """Run a part of an installation; PeerError with the last thing that it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "rror" in line] or ["no message"]
        raise PeerError(f"{failure}: {said[-1].strip()[:160]}")


def _python310() -> str:
    """dslinter's dependencies do not install on Python 3.11 or later."""
    if platform.python_version().startswith("3.10."):
        return sys.executable
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.10.*/bin/python"))
    found = str(pyenv[-1]) if pyenv else shutil.which("python3.10")
    if not found:
        raise PeerError(f"{DSLINTER} needs Python 3.10, which is not here")
    return found


@cache
def _version(python: Path, distribution: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def _own(distribution: str) -> str:
    if distribution == "nnlint":
        code = "import nnlint; print(nnlint.__version__)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        return done.stdout.strip() or "unknown"
    return _version(Path(sys.executable), distribution)


def _pin_version(pin: str) -> str:
    return pin.partition("==")[2]
