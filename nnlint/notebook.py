"""Jupyter notebooks: their code cells, and the file with some cells changed and every other byte kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any

from nnlint.cells import Cells
from nnlint.files import NOTEBOOK
from nnlint.lines import split_lines

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
# A character of a JSON string as it is written: an escaped pair of surrogates, an escape, or itself.
_CHARACTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|[^\\]", re.DOTALL)


class NotebookError(Exception):
    """A file that is no notebook, or none that can be read; `row` and `column` count from 1."""

    def __init__(self, message: str, row: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.row = row
        self.column = column


def is_notebook(filename: str) -> bool:
    return filename.lower().endswith(NOTEBOOK)


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell in Python: its number among all cells, from 1, its text, and where that is written."""

    number: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Notebook:
    """`language` is the kernel's, in lower case; only a Python notebook's cells are listed."""

    written: str
    language: str
    cells: tuple[CodeCell, ...]

    @classmethod
    def read(cls, data: bytes) -> Notebook:
        """Raises NotebookError. An empty file is a notebook without cells, as Jupyter and VS Code have it."""
        try:
            written = data.decode()
        except UnicodeDecodeError as error:
            row = data.count(b"\n", 0, error.start) + 1
            raise NotebookError("not a notebook: it is not UTF-8", row) from None
        try:
            return _read(written)
        except json.JSONDecodeError as error:
            what = f"not a notebook: {error.msg[:1].lower()}{error.msg[1:]}"
            raise NotebookError(what, error.lineno, error.colno) from None
        except RecursionError:
            raise NotebookError("not a notebook: its JSON is nested too deeply") from None

    @property
    def script(self) -> Cells:
        """The cells as one script."""
        return Cells.of((cell.number, cell.text) for cell in self.cells)

    def with_texts(self, texts: Mapping[int, str]) -> bytes:
        """The file with the texts of some cells, by number, replaced; all else stays byte for byte."""
        written = self.written
        for cell in reversed(self.cells):
            if cell.number in texts and texts[cell.number] != cell.text:
                new = _rewritten(written[cell.start : cell.end], texts[cell.number], written.isascii())
                written = written[: cell.start] + new + written[cell.end :]
        return written.encode()


def _read(written: str) -> Notebook:
    start = _skip(written, 1 if written.startswith("\ufeff") else 0)
    if start == len(written):
        return Notebook(written, "python", ())
    facts: dict[str, Any] = {}
    cells: list[CodeCell] = []
    for key, at in (members := _Members(written, start)):
        if key == "cells":
            cells, members.at = _cells(written, at)
        else:
            facts[key], members.at = _DECODER.raw_decode(written, at)
    if (rest := _skip(written, members.at)) < len(written):
        raise json.JSONDecodeError("Extra data", written, rest)
    version = facts.get("nbformat", 4)
    if "worksheets" in facts or (isinstance(version, int) and version < 4):
        how = "`jupyter nbconvert --to notebook --inplace` brings it up to date"
        raise NotebookError(f"a notebook of format {version} is too old to be read; {how}")
    if not cells and "nbformat" not in facts and "metadata" not in facts:
        raise NotebookError("not a notebook: it has no cells")
    language, release = _language(facts.get("metadata"))
    if language == "python" and release.startswith("2"):
        raise NotebookError(f"the notebook is written for Python {release}")
    return Notebook(written, language, tuple(cells) if language == "python" else ())


class _Members:
    """The members of a JSON object: key, and where its value begins. Whoever reads the value sets `at`."""

    def __init__(self, written: str, start: int) -> None:
        self.written = written
        self.at = start

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return self.each("{", "}")

    def each(self, opening: str, closing: str) -> Iterator[tuple[str, int]]:
        self.expect(opening)
        if self.next() == closing:
            self.at += 1
            return
        while True:
            key = ""
            if opening == "{":
                self.next()
                key, self.at = _DECODER.raw_decode(self.written, self.at)
                self.expect(":")
            self.next()
            yield key, self.at
            if self.next() == closing:
                self.at += 1
                return
            self.expect(",")

    def next(self) -> str:
        """The next character that is not blank."""
        self.at = _skip(self.written, self.at)
        return self.written[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        if self.next() != character:
            raise json.JSONDecodeError(f"Expecting {character!r}", self.written, self.at)
        self.at += 1


def _skip(written: str, at: int) -> int:
    blank = _BLANK.match(written, at)
    return blank.end() if blank else at


def _cells(written: str, start: int) -> tuple[list[CodeCell], int]:
    """The code cells in Python, and where the list of cells ends."""
    found = []
    cells = _Members(written, start)
    for number, (_, begin) in enumerate(cells.each("[", "]"), 1):
        members = _Members(written, begin)
        fields: dict[str, Any] = {}
        place = (begin, begin)
        for key, at in members:
            fields[key], members.at = _DECODER.raw_decode(written, at)
            if key == "source":
                place = (at, members.at)
        cells.at = members.at
        text = _joined(fields.get("source", ""))
        if text is None or "cell_type" not in fields:
            raise json.JSONDecodeError(f"Cell {number} is not a cell", written, begin)
        if fields["cell_type"] == "code" and _is_python(fields.get("metadata")):
            found.append(CodeCell(number, text, *place))
    return found, cells.at


def _joined(source: Any) -> str | None:
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return None


def _is_python(metadata: Any) -> bool:
    """Whether nothing says that this one cell is in another language than the notebook."""
    editor = metadata.get("vscode") if isinstance(metadata, dict) else None
    return not isinstance(editor, dict) or editor.get("languageId", "python") == "python"


def _language(metadata: Any) -> tuple[str, str]:
    """The notebook's language and its version, Python where it does not say."""
    told = metadata if isinstance(metadata, dict) else {}
    info, kernel = (
        table if isinstance(table := told.get(key), dict) else {} for key in ("language_info", "kernelspec")
    )
    name = info.get("name") or kernel.get("language") or "python"
    name = re.sub(r"^i?python[\d.]*$", "python", str(name).lower())
    # Some editors write 2.7.6 into every notebook; the kernel is what runs it.
    return name, "" if kernel.get("name") == "python3" else str(info.get("version", ""))


def _rewritten(written: str, text: str, ascii_only: bool) -> str:
    """A cell's source, a JSON string or list of strings, with another text: its layout and escapes stay."""
    if written.startswith('"'):
        return f'"{_escaped(_characters(written), text, ascii_only)}"'
    items = _Members(written, 0)
    literals = []
    for _, at in items.each("[", "]"):
        _, items.at = _DECODER.raw_decode(written, at)
        literals.append((at, items.at))
    if not literals:
        return json.dumps(split_lines(text, keepends=True), ensure_ascii=ascii_only)
    old = [character for start, end in literals for character in _characters(written[start:end])]
    opening, closing = written[: literals[0][0]], written[literals[-1][1] :]
    between = written[literals[0][1] : literals[1][0]] if literals[1:] else f",{opening[1:]}"
    escaped = iter(_escaped_each(old, text, ascii_only))
    lines = ["".join(next(escaped) for _ in line) for line in split_lines(text, keepends=True)]
    return opening + between.join(f'"{line}"' for line in lines or [""]) + closing


def _characters(literal: str) -> list[str]:
    """The characters of a JSON string as they are written."""
    return _CHARACTER.findall(literal[1:-1])


def _escaped(old: list[str], text: str, ascii_only: bool) -> str:
    return "".join(_escaped_each(old, text, ascii_only))


def _escaped_each(old: list[str], text: str, ascii_only: bool) -> list[str]:
    """The characters of a text as JSON; those that `old` has as well are written as they are there."""
    before = json.loads(f'"{"".join(old)}"')
    new: list[str] = []
    lines, lines_before = (split_lines(each, keepends=True) for each in (text, before))
    starts = [0, *accumulate(map(len, lines_before))]
    for _, i, i_end, j, j_end in SequenceMatcher(None, lines_before, lines, autojunk=False).get_opcodes():
        if i_end - i == j_end - j:
            pairs = [(at, at + 1, line) for at, line in enumerate(lines[j:j_end], i)]
        else:
            pairs = [(i, i_end, "".join(lines[j:j_end]))]
        for first, last, now in pairs:
            own, was = old[starts[first] : starts[last]], before[starts[first] : starts[last]]
            head = _common(was, now)
            tail = _common(was[head:][::-1], now[head:][::-1])
            middle = now[head : len(now) - tail]
            new += own[:head]
            new += [json.dumps(character, ensure_ascii=ascii_only)[1:-1] for character in middle]
            new += own[len(own) - tail :]
    return new


def _common(one: str, other: str) -> int:
    """The length of the longest common beginning."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
