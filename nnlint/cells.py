"""A notebook's code cells as one script, and the way back from its rows to the cells'."""

from __future__ import annotations

import linecache
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nnlint.finding import Edit, Finding, Fix, Position, Span, shown_name
from nnlint.lines import split_lines
from nnlint.magics import plain

_COOKIE = re.compile(r"^([ \t\f]*#.*?)coding([:=])")


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell. `number` counts all cells of the notebook from 1, text cells too."""

    number: int
    text: str
    # The Python in it, row for row, ending with a line break; empty lines if it holds none.
    code: str
    # Whether it could be read by itself. A bracket left open would swallow the next cell.
    complete: bool
    # The blanks that stand before all of the cell; IPython takes them away, too.
    indent: int
    # The row of the script on which it begins.
    first: int


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells in order. An empty line follows each in the script, so that its end is a place of its own."""

    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, sources: Iterable[tuple[int, str]]) -> Cells:
        """From (number, text) pairs."""
        cells: list[Cell] = []
        row = 1
        for number, text in sources:
            shifted, indent = _dedent(text)
            read = plain(shifted)
            code = read.text if read.text.endswith("\n") else read.text + "\n"
            if row == 1:
                code = _without_cookie(code)
            cells.append(Cell(number, text, code, read.complete, indent, row))
            row += len(split_lines(code)) + 1
        return cls(tuple(cells))

    @property
    def text(self) -> str:
        """The script."""
        return "".join(f"{cell.code}\n" for cell in self.cells)

    @property
    def parts(self) -> tuple[tuple[int, str], ...]:
        """Each cell's first row in the script, and its code."""
        return tuple((cell.first, cell.code) for cell in self.cells)

    def without(self, numbers: Collection[int]) -> Cells:
        """The same with nothing but line breaks in some cells."""
        return Cells(
            tuple(
                replace(cell, code=re.sub(r"[^\r\n]+", "", cell.code), complete=True)
                if cell.number in numbers
                else cell
                for cell in self.cells
            )
        )

    def at(self, row: int) -> Cell:
        """The cell that a row of the script belongs to."""
        return self.cells[max(0, bisect_right(self.cells, row, key=lambda cell: cell.first) - 1)]

    def remember(self, filename: str) -> None:
        """Lets `linecache`, and with it tracebacks and `inspect`, know the code of a notebook's cells."""
        for cell in self.cells:
            name = shown_name(filename, cell.number)
            linecache.cache[name] = (len(cell.code), None, cell.code.splitlines(keepends=True), name)

    def in_script(self, finding: Finding) -> Finding:
        """A finding in a cell as one in the script: its own place, all that `in_cells` takes back."""
        first = next((cell.first for cell in self.cells if cell.number == finding.cell), 1)
        start, end = (
            Position(place.row + first - 1, place.column) for place in (finding.span.start, finding.span.end)
        )
        return replace(finding, span=Span(start, end), cell=None)

    def in_cells(self, finding: Finding) -> Finding:
        """A finding in the script as one in its cell, with its fix and related places."""
        related = tuple(
            other._replace(**self._place(other.span))
            if other.filename == finding.filename and other.cell is None
            else other
            for other in finding.related
        )
        fix = self._fix(finding.fix) if finding.fix else None
        return replace(finding, related=related, fix=fix, **self._place(finding.span))

    def _place(self, span: Span) -> dict[str, Any]:
        cell = self.at(span.start.row)
        return {"cell": cell.number, "span": _inside(cell, span)}

    def _fix(self, fix: Fix) -> Fix | None:
        edits = []
        for edit in fix.edits:
            cell = self.at(edit.span.start.row)
            # What is written would need the cell's own indentation.
            if cell.indent:
                return None
            edits.append(Edit(_inside(cell, edit.span), edit.content, cell.number))
        return fix._replace(edits=tuple(edits))


def _inside(cell: Cell, span: Span) -> Span:
    start, end = (
        Position(place.row - cell.first + 1, place.column + cell.indent) for place in (span.start, span.end)
    )
    return Span(start, end)


def _dedent(text: str) -> tuple[str, int]:
    """The text without the blanks before its first line, which IPython takes from every line."""
    blanks = re.match(r"(?:[ \t]*(?:\r\n|\r|\n))*([ \t]+)(?=\S)", text)
    if blanks is None:
        return text, 0
    lines: Sequence[str] = split_lines(text, keepends=True)
    return "".join(line.removeprefix(blanks[1]) for line in lines), len(blanks[1])


def _without_cookie(code: str) -> str:
    """A cell is text: what it says of its encoding means nothing, and must not be followed."""
    return "".join(
        _COOKIE.sub(r"\1      \2", line) if index < 2 else line
        for index, line in enumerate(split_lines(code, keepends=True))
    )
