"""What a file is to the linter: the script in it, and the way back from the script to the file.

A Python file is its own script. A notebook's script is made of its code cells; what is found in the script is
told by cell, and what is changed is changed in the notebook.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

from nnlint import fixes
from nnlint.cells import Cell, Cells
from nnlint.finding import Edit, Finding, Fix, shown_name
from nnlint.notebook import Notebook, NotebookError, is_notebook
from nnlint.static.source import Source, SourceError


class Document(Protocol):
    """One file, or what an editor holds."""

    # What the rules read.
    source: Source
    # What of the file cannot be read, by cell; the source does without it.
    faults: Sequence[tuple[int | None, SourceError]]
    # False for a notebook in another language: there is nothing in it to check.
    python: bool

    @property
    def parts(self) -> Sequence[tuple[int, str]]:
        """The texts that the script is made of, each with the row of the script on which it begins."""

    @property
    def texts(self) -> Mapping[str, str]:
        """What people see of the file, by the name that they see: `a.py`, or `a.ipynb:cell 3`."""

    def inward(self, finding: Finding) -> Finding:
        """A finding in the file as one in the script."""

    def outward(self, finding: Finding) -> Finding:
        """A finding in the script as one in the file."""

    def compile_error(self) -> str:
        """Why Python would not compile it; empty if it would."""


class File(Document, Protocol):
    """A document that can be written back."""

    def repaired(self, chosen: Sequence[Fix]) -> bytes:
        """The file with compatible fixes applied; with none, what it is to be written back as."""


def read(data: bytes, filename: str) -> File:
    """The document in the bytes of a file; raises SourceError if they hold none."""
    if not is_notebook(filename):
        return PythonFile(data, filename)
    try:
        notebook = Notebook.read(data)
    except NotebookError as error:
        raise SourceError(error.message, error.row, error.column) from None
    return NotebookFile(notebook, filename)


class PythonFile:
    """A file that is a script."""

    faults: Sequence[tuple[int | None, SourceError]] = ()
    python = True

    def __init__(self, data: bytes, filename: str) -> None:
        self.source = Source.from_bytes(data, filename)

    @property
    def parts(self) -> Sequence[tuple[int, str]]:
        return ((1, self.source.text),)

    @property
    def texts(self) -> Mapping[str, str]:
        return {self.source.filename: self.source.text}

    def inward(self, finding: Finding) -> Finding:
        return finding

    def outward(self, finding: Finding) -> Finding:
        return finding

    def repaired(self, chosen: Sequence[Fix]) -> bytes:
        return fixes.apply(self.source.text, chosen).encode(self.source.encoding)

    def compile_error(self) -> str:
        return _compile_error(self.source.data, self.source.filename)


class Script:
    """Code cells as one script, without what of them cannot be read. Raises no SourceError of its own."""

    def __init__(self, cells: Cells, filename: str) -> None:
        broken = _broken(cells, filename)
        self.faults: Sequence[tuple[int | None, SourceError]] = broken
        self.cells = cells.without([cell for cell, _ in broken])
        self.source = _source(self.cells.text, filename)
        self.python = True

    @property
    def parts(self) -> Sequence[tuple[int, str]]:
        return self.cells.parts

    @cached_property
    def texts(self) -> Mapping[str, str]:
        return {shown_name(self.source.filename, cell.number): cell.text for cell in self.cells.cells}

    def inward(self, finding: Finding) -> Finding:
        return self.cells.in_script(finding)

    def outward(self, finding: Finding) -> Finding:
        return self.cells.in_cells(finding) if self.cells.cells else finding

    def compile_error(self) -> str:
        for cell in self.cells.cells:
            # One by one, as they are run: `from __future__ import …` may come first in any of them.
            if why := _compile_error(cell.code, self.source.filename, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
                return f"cell {cell.number}, {why}"
        return ""


class NotebookFile(Script):
    """A file that is a notebook."""

    def __init__(self, notebook: Notebook, filename: str) -> None:
        super().__init__(notebook.script, filename)
        self.notebook = notebook
        self.python = notebook.language == "python"

    def repaired(self, chosen: Sequence[Fix]) -> bytes:
        by_cell: dict[int | None, list[Edit]] = {}
        for fix in chosen:
            for edit in fix.edits:
                by_cell.setdefault(edit.cell, []).append(edit)
        return self.notebook.with_texts(
            {
                cell.number: _edited(cell.text, by_cell[cell.number])
                for cell in self.notebook.cells
                if cell.number in by_cell
            }
        )


def _edited(text: str, edits: Sequence[Edit]) -> str:
    """A cell's text with edits that count on its last line to be ended, as it is in the script."""
    if text.endswith("\n"):
        return fixes.edited(text, edits)
    return fixes.edited(f"{text}\n", edits).removesuffix("\n")


def _source(text: str, filename: str) -> Source:
    return Source.from_bytes(_encodable(text).encode(), filename)


def _encodable(text: str) -> str:
    """The text as it is, but for lone halves of surrogate pairs, which JSON allows: each becomes a `?`."""
    return text.encode(errors="replace").decode()


def _broken(cells: Cells, filename: str) -> list[tuple[int, SourceError]]:
    """The cells that are no Python by themselves, and where; most notebooks are settled by one quick look."""
    if all(cell.complete for cell in cells.cells) and not _syntax_error(cells.text, filename):
        return []
    faults = ((cell.number, _fault(cell, filename)) for cell in cells.cells)
    return [(number, fault) for number, fault in faults if fault]


def _fault(cell: Cell, filename: str) -> SourceError | None:
    try:
        _source(cell.code, filename).parse()
    except SourceError as error:
        return SourceError(error.message, error.row, error.column + cell.indent)
    return None


def _syntax_error(text: str, filename: str) -> str:
    return _compile_error(text, filename, ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _compile_error(code: str | bytes, filename: str, flags: int = 0) -> str:
    if isinstance(code, str):
        code = _encodable(code)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, filename, "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""
