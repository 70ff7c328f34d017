"""Ways to write the same script differently: what a fix must survive, and must leave as it is."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Collection
from typing import TypeAlias

_PLAIN = (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Pass, ast.Raise, ast.Assert)

Disguise: TypeAlias = Callable[[str], str]


def _string_rows(text: str) -> set[int]:
    """The rows that begin inside a string: nothing may be put in front of them."""
    rows: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING or "\n" in token.string.strip("\n"):
            rows.update(range(token.start[0] + 1, token.end[0] + 1))
    return rows


def _insert(text: str, places: Collection[tuple[int, int, str]]) -> str:
    """Puts each string at its (row, column)."""
    lines = text.splitlines(keepends=True)
    for row, column, content in sorted(places, reverse=True):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + content + line[column:]
    return "".join(lines)


def trailing_comments(text: str) -> str:
    """A comment behind each statement that has none."""
    places = []
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE and before != tokenize.COMMENT and token.string:
            places.append((*token.start, "  # behind: é"))
        before = token.type
    return _insert(text, places)


def comments_above(text: str) -> str:
    """A comment above each statement, decorators and `else` included."""
    places = []
    fresh = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            fresh = True
        elif fresh and token.type in (tokenize.NAME, tokenize.STRING, tokenize.OP):
            row, column = token.start
            places.append((row, 0, f"{token.line[:column]}# above: 漢\n"))
            fresh = False
    return _insert(text, places)


def semicolons(text: str) -> str:
    """Another statement, with letters outside ASCII, before each plain one on its line."""
    places = {
        (node.lineno, node.col_offset, 'é = "漢字"; ')
        for node in ast.walk(ast.parse(text))
        if isinstance(node, _PLAIN) and not _is_docstring(node) and _begins_line(node, text)
    }
    return _insert(text, places)


def _begins_line(node: ast.stmt, text: str) -> bool:
    return not text.splitlines()[node.lineno - 1].encode()[: node.col_offset].strip()


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def nested(text: str) -> str:
    """The whole script inside an `if`, inside a `with`."""
    return "import os\nwith open(os.devnull):\n    if os.name:\n" + _indented(text, "        ")


def in_a_function(text: str) -> str:
    """The whole script inside a function, where that can be."""
    if "import *" in text or "__future__" in text:
        return text
    return f"import sys\n\n\ndef main():\n{_indented(text, '    ')}\n\nmain()\n"


def _indented(text: str, by: str) -> str:
    inside = _string_rows(text)
    lines = text.splitlines(keepends=True)
    return "".join(
        by + line if line.strip() and row not in inside else line for row, line in enumerate(lines, 1)
    )


def decorated(text: str) -> str:
    """A decorator that changes nothing on each function."""
    places = [
        (node.lineno, 0, f"{' ' * node.col_offset}@staying\n")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and not node.decorator_list
    ]
    return "def staying(function): return function\n" + _insert(text, places)


def tabs(text: str) -> str:
    """Tabs for indentation."""
    inside = _string_rows(text)
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        indent = len(line) - len(line.lstrip(" "))
        if at + 1 not in inside:
            lines[at] = "\t" * (indent // 4) + " " * (indent % 4) + line[indent:]
    return "".join(lines)


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def unfinished(text: str) -> str:
    """No line break at the end."""
    return text.rstrip("\r\n")


# In an order in which they can follow each other.
DISGUISES: tuple[Disguise, ...] = (
    decorated,
    semicolons,
    in_a_function,
    nested,
    comments_above,
    trailing_comments,
    tabs,
    crlf,
    unfinished,
)
