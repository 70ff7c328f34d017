"""Repairs files: applies what fixes findings offer until none is left, and writes all of it or nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnlint import atomic, documents, fixes
from nnlint.engine import Linter
from nnlint.file_result import FileResult
from nnlint.files import STDIN_NAME
from nnlint.finding import Finding, NotRun, shown_name
from nnlint.notebook import Notebook, is_notebook

# A fix may bring the next one into sight; fixes that go on for longer are going round in circles.
MOST_ROUNDS = 20

_LINE = re.compile(rb"^[-+@][^\r\n]*", re.MULTILINE)
_COLORS = {b"-": b"31", b"+": b"32", b"@": b"36"}


class FixError(Exception):
    """A file that stays as it is; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One file, before and after."""

    filename: str
    before: bytes
    after: bytes
    encoding: str


@dataclass(slots=True)
class Fixer:
    """A treatment for `Linter.check`. With `write`, files are changed; standard input never is."""

    linter: Linter
    unsafe: bool
    write: bool
    fixed: int = 0
    hidden: int = 0  # left alone in the files that were seen, because unsafe
    changed: list[Changed] = field(default_factory=list)
    stdin: bytes = b""  # what standard input became

    def __call__(self, data: bytes, result: FileResult) -> FileResult:
        """The result after the repair; after none where there is nothing to repair, or no way to."""
        if result.filename == self.linter.stdin_name:
            self.stdin = data
        try:
            after, count, left = self._repair(data, result) if self._due(result) else (data, 0, result)
            if after != data:
                self._keep(result.filename, data, after)
        except FixError as error:
            return result._replace(not_run=(*result.not_run, NotRun("fix", str(error), result.filename)))
        self.fixed += count
        self.hidden += sum(finding.fix is not None for finding in left.findings)
        return left

    def _due(self, result: FileResult) -> list[Finding]:
        return [finding for finding in sorted(result.findings) if finding.fixable(self.unsafe)]

    def _repair(self, data: bytes, result: FileResult) -> tuple[bytes, int, FileResult]:
        """The new bytes, how many findings they do away with, and what is left to say."""
        document = documents.read(data, result.filename)
        if document.repaired([]) != data:
            encoding = document.source.encoding
            raise FixError(f"the file cannot be written back as {encoding} without other changes")
        if why := document.compile_error():
            raise FixError(f"this Python does not compile the file, so no fix can be checked: {why}")
        count = 0
        for _ in range(MOST_ROUNDS):
            due = fixes.compatible([finding.fix for finding in self._due(result) if finding.fix])
            if not due:
                return data, count, result
            data = document.repaired(due)
            document = documents.read(data, result.filename)
            if why := document.compile_error():
                raise FixError(f"the fixed file would not compile, so it stays as it is: {why}")
            count += len(due)
            result = self.linter.check_document(document, result.filename)
        raise FixError(
            f"fixes keep calling for more fixes after {MOST_ROUNDS} rounds; the file stays as it is"
        )

    def _keep(self, filename: str, before: bytes, after: bytes) -> None:
        if filename == self.linter.stdin_name:
            self.stdin = after
        elif self.write:
            write(Path(filename), before, after)
        encoding = documents.read(before, filename).source.encoding
        self.changed.append(Changed(filename, before, after, encoding))

    def summary(self) -> str:
        """What a run that wrote nothing would have done."""
        more = f"{self.hidden} additional" if self.fixed else f"{self.hidden}"
        rest = f" ({more} {'fix' if self.hidden == 1 else 'fixes'} available with --unsafe-fixes)"
        count = f"{self.fixed} finding{'' if self.fixed == 1 else 's'}" if self.fixed else "nothing"
        return f"Would fix {count}{rest if self.hidden else ''}."


def write(path: Path, before: bytes, after: bytes) -> None:
    """Puts a new file in the old one's place, in one step and with its permissions.

    A symbolic link stays one: the file that it leads to is replaced.
    """
    try:
        path = path.resolve(strict=True)
        mode = path.stat().st_mode
        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(path, os.W_OK):
            raise FixError("the file is read-only")
        if path.read_bytes() != before:
            raise FixError("the file was changed by someone else in the meantime")
        atomic.write(path, after)
    except OSError as error:
        raise FixError(f"cannot write: {error.strerror or error}") from None


def diff(changes: Sequence[Changed], *, color: bool = False) -> bytes:
    """A unified diff, file by file, in each file's own encoding: `patch` can apply it.

    A notebook's is cell by cell, to be read and not to be applied: the file is JSON.
    """
    lines = b"".join(map(_diff, changes))
    if not color:
        return lines
    return _LINE.sub(lambda line: b"\x1b[%sm%s\x1b[0m" % (_COLORS[line[0][:1]], line[0]), lines)


def _diff(change: Changed) -> bytes:
    import difflib

    # The byte order mark is part of the first line here, or the diff would not fit the file.
    encoding = change.encoding.removesuffix("-sig")
    diffs = b""
    for name, before, after in _texts(change, encoding):
        body = (
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in list(difflib.unified_diff(_lines(before), _lines(after)))[2:]
        )
        shown = os.fsencode(name)
        head = b"" if name == STDIN_NAME else b"--- %s\n+++ %s\n" % (shown, shown)
        diffs += head + "".join(body).encode(encoding)
    return diffs


def _texts(change: Changed, encoding: str) -> Iterator[tuple[str, str, str]]:
    """What is compared: the file, or each cell that has changed, with its name."""
    if not is_notebook(change.filename):
        yield change.filename, change.before.decode(encoding), change.after.decode(encoding)
        return
    old, new = (Notebook.read(data).cells for data in (change.before, change.after))
    for cell, other in zip(old, new, strict=True):
        if cell.text != other.text:
            yield shown_name(change.filename, cell.number), cell.text, other.text


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [*(line + "\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]
