"""What several test modules need."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from click.testing import CliRunner

from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.finding import Finding
from nnlint.newrule import PAGE
from nnlint.page import Page, parse_page
from nnlint.page_text import Expectation

CHECKOUT = Path(__file__).resolve().parent.parent
# A command that scripts start and that should end with them; another run of these tests has one of its own.
SLEEP = ("sleep", str(4_000_000 + os.getpid()))


def every_rule() -> Linter:
    """A linter with every rule on, those that are off by default included."""
    return Linter.load(Config(select=("ALL",)))


def mismatches(findings: Iterable[Finding], expected: Iterable[Expectation]) -> list[str]:
    """One line for each expectation that no finding meets, and for each finding that nobody expects."""
    left = list(findings)
    problems = []
    for expectation in expected:
        for finding in left:
            if (finding.span.start.row, finding.name) != (expectation.row, expectation.name):
                continue
            if expectation.part in finding.message:
                left.remove(finding)
                break
        else:
            problems.append(f'line {expectation.row}: missing [{expectation.name}] "{expectation.part}"')
    return problems + [
        f"line {finding.span.start.row}: unexpected [{finding.name}] {finding.message}" for finding in left
    ]


def make_page(name: str = "some-rule", code: str = "NNL999", **front: str) -> Page:
    """A page as `newrule` writes it, with some front matter changed."""
    text = PAGE.format(code=code, name=name, version="0.1.0")
    for key, value in front.items():
        old = next(line for line in text.splitlines() if line.startswith(f"{key}: "))
        text = text.replace(old, f"{key}: {value}", 1)
    return parse_page(text, CHECKOUT / "rules" / f"{name}.md")


def nnlint(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """`python -m nnlint` as a process of its own."""
    return python("-m", "nnlint", *args, cwd=cwd, env=env, stdin=stdin)


def ran(*args: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """The same within this process, for tests of what the command says rather than of how it starts."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        result = CliRunner(env={"FORCE_COLOR": None, "NO_COLOR": None}).invoke(cli, args)
    finally:
        os.chdir(before)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(args, result.exit_code, result.stdout_bytes, result.stderr_bytes)


def python(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """This Python with the arguments given, its output captured, no colour asked for."""
    clean = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR")}
    command: Sequence[str] = (sys.executable, *args)
    return subprocess.run(
        command, cwd=cwd, env={**clean, **(env or {})}, input=stdin, capture_output=True, check=False
    )


def sleeping() -> list[str]:
    """The numbers of the processes that run exactly this command."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (entry / "cmdline").read_bytes() == "".join(f"{word}\0" for word in SLEEP).encode():
                found.append(entry.name)
    return found
