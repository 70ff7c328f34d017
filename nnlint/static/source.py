"""Reads a file, decides whether it is worth parsing, and parses it once."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import libcst as cst

# A file without any of these words cannot train a PyTorch model.
GATE = re.compile(rb"torch|lightning|accelerate|transformers|fastai|ignite")

# libcst's parser takes time quadratic in the depth of an expression and overflows the C stack on a few
# thousand brackets, so anything that looks deep is measured first, with Python's own parser.
SUSPICIOUS_BRACKETS = 80
SUSPICIOUS_LINE = 2_000
DEEPEST = 400
PREFIX_CHAIN = re.compile(r"(?:[-+~]\s*){60}|(?:\bnot\s+){60}|(?:\blambda\s*:\s*){60}")
NOT_BRACKETS = bytes(set(range(256)) - set(b"()[]{}"))


class SourceError(Exception):
    """The file cannot be read as Python 3; `row` and `column` count from 1."""

    def __init__(self, message: str, row: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.row = row
        self.column = column


@dataclass(frozen=True)
class Source:
    """The bytes of one file and its name as the user wrote it."""

    filename: str
    data: bytes

    @classmethod
    def read(cls, path: Path | str) -> Source:
        """May raise OSError."""
        return cls(str(path), Path(path).read_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, filename: str) -> Source:
        return cls(filename, data)

    def gate(self) -> bool:
        """Whether a word of the torch world stands anywhere in the file."""
        return GATE.search(self.data) is not None

    @cached_property
    def encoding(self) -> str:
        """As the file declares it; may raise SyntaxError."""
        return tokenize.detect_encoding(io.BytesIO(self.data).readline)[0]

    @cached_property
    def text(self) -> str:
        """The decoded text; line ends stay as they are."""
        if b"\0" in self.data:
            raise SourceError("not a Python file: it contains null bytes")
        try:
            return self.data.decode(self.encoding)
        except SyntaxError as error:
            raise SourceError(f"cannot decode the file: {error.msg or error}") from None
        except UnicodeDecodeError as error:
            row = self.data.count(b"\n", 0, error.start) + 1
            raise SourceError(f"cannot decode the file as {error.encoding}: {error.reason}", row) from None
        except LookupError as error:
            raise SourceError(f"cannot decode the file: {error}") from None

    def parse(self) -> cst.Module:
        """The libcst tree. Raises SourceError with the place of the fault."""
        text = self.text
        self.refuse_deep_nesting()
        try:
            return cst.parse_module(text)
        except cst.ParserSyntaxError as error:
            raise self._syntax_error(text, error) from None
        except RecursionError:
            raise SourceError("nested too deeply to be read") from None
        except Exception as error:  # libcst's tokenizer raises various types for hopeless input
            raise SourceError(
                f"cannot be parsed: {str(error).splitlines()[0] if str(error) else error!r}"
            ) from None

    @staticmethod
    def _syntax_error(text: str, error: cst.ParserSyntaxError) -> SourceError:
        """CPython's own words where it also refuses the file: they are the ones that people know."""
        try:
            compile(text, "<source>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        except SyntaxError as own:
            return SourceError(f"{own.msg}", own.lineno or 1, max(own.offset or 1, 1))
        except (ValueError, RecursionError, MemoryError):
            pass
        # libcst puts a one-line reason after "parser error: ".
        reason = error.message.splitlines()[0].removeprefix("parser error: ")
        return SourceError(f"invalid syntax ({reason})", error.raw_line, error.raw_column + 1)

    def refuse_deep_nesting(self) -> None:
        """Raises SourceError for what no parser should be given."""
        text = self.text
        depth = deepest = 0
        for bracket in self.data.translate(None, NOT_BRACKETS):
            if bracket in b"([{":
                depth += 1
                if depth > deepest:
                    deepest = depth
            elif depth:
                depth -= 1
        if (
            deepest <= SUSPICIOUS_BRACKETS
            and len(max(text.splitlines(), key=len, default="")) <= SUSPICIOUS_LINE
            and not PREFIX_CHAIN.search(text)
        ):
            return
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            raise SourceError(f"{error.msg}", error.lineno or 1, max(error.offset or 1, 1)) from None
        except (RecursionError, MemoryError):
            raise SourceError("nested too deeply to be read") from None
        level: list[ast.AST] = [tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
        row = getattr(level[0], "lineno", 1)
        raise SourceError(f"nested more than {DEEPEST} levels deep", row)
