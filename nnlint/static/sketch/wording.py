"""How an expression of a sketch is written in the file, and where."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable
from typing import Any

import libcst as cst

from nnlint.static.positions import Place
from nnlint.static.sketch.nodes import SketchError
from nnlint.static.sketch.terms import Terms

# As far as parentheses are looked for.
FEW_LINES = 8
COMMENT = "\0"

_OPENING = re.compile(r"\([\s\\\0]*$")
_CLOSING = re.compile(r"[\s\\\0]*\)")
_WORD = re.compile(r"\w+$")


def wording(terms: Terms, made: cst.CSTNode) -> str:
    """What libcst would write for the expression: its code, and the parentheses that are its own.

    Raises SketchError for what is no expression, and where only libcst can tell.
    """
    node = terms.origins.get(id(made))
    if node is None and isinstance(made, cst.Name):
        return made.value  # of an attribute, keyword or parameter
    if node is None and isinstance(made, cst.BaseExpression) and hasattr(made, "lpar"):
        return cst.Module([]).code_for_node(made)  # in a string with parts, which libcst has read
    if node is None or isinstance(made, cst.Arg):
        raise SketchError("how it is written is not known")
    code = terms.written(node)
    before, after = _surroundings(terms.lines, node)
    if isinstance(node, ast.GeneratorExp):
        return _generator(code, before, after)
    while (opening := _OPENING.search(before)) and (closing := _CLOSING.match(after)):
        before = before[: opening.start()]
        if _calls(before):
            break
        if COMMENT in opening[0] or COMMENT in closing[0]:
            raise SketchError("a comment in parentheses")
        code = f"{opening[0]}{code}{closing[0]}"
        after = after[closing.end() :]
    return code


def _generator(code: str, before: str, after: str) -> str:
    """The same of `x for x in y`: its parentheses belong to the call here, and to it in Python's tree."""
    opening = _OPENING.search(before)
    if opening and _CLOSING.match(after):
        if not _calls(before[: opening.start()]):
            raise SketchError("a generator in more parentheses than its own")
        return code
    if not _calls(before):
        return code
    if "#" in code:
        raise SketchError("a generator that may end with a comment")
    return code[1:-1].strip()


# Their place in libcst leaves out parentheses that Python counts in.
_OTHER_PLACE = (ast.GeneratorExp, ast.Tuple)


def place(terms: Terms, made: cst.CSTNode) -> Place:
    """The place of an expression, argument or simple statement; raises SketchError for anything else."""
    node: Any = terms.origins.get(id(made))
    if node is None or isinstance(node, _OTHER_PLACE):
        raise SketchError("where it stands is not known")
    if isinstance(made, cst.Arg) and not isinstance(node, ast.keyword):
        before, after = _surroundings(terms.lines, node)
        opening = _OPENING.search(before)
        if opening and _CLOSING.match(after) and not _calls(before[: opening.start()]):
            raise SketchError("an argument in parentheses, which are part of it")
    return (
        (node.lineno, _column(terms.lines[node.lineno - 1], node.col_offset)),
        (node.end_lineno, _column(terms.lines[node.end_lineno - 1], node.end_col_offset)),
    )


def _column(line: bytes, offset: int) -> int:
    """A column in characters."""
    return offset if line.isascii() else len(line[:offset].decode())


def _calls(before: str) -> bool:
    """Whether a parenthesis behind this code is that of a call or definition."""
    code = before.rstrip()
    word = _WORD.search(code)
    if word and word[0] == "with":
        raise SketchError("parentheses of a with statement")
    called = code.endswith((")", "]")) or (word is not None and not keyword.iskeyword(word[0]))
    if called and "\n" in before[len(code) :]:
        raise SketchError("a parenthesis that begins a line")
    return called


def _surroundings(lines: list[bytes], node: Any) -> tuple[str, str]:
    """The code before and after a node, without comments."""
    first, last = node.lineno - 1, node.end_lineno - 1
    start, end = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
    before, after = start.decode(), _code([end])
    if not start.strip():
        before = _code(lines[max(first - FEW_LINES, 0) : first]) + before
        if first > FEW_LINES and not before.strip(f"{COMMENT}\\ \t\r\n"):
            raise SketchError("far from what stands before it")
    if not after.strip(f"{COMMENT}\\ \t\r\n"):
        after += _code(lines[last + 1 : last + 1 + FEW_LINES])
    return before, after


def _code(lines: Iterable[bytes]) -> str:
    parts = []
    for line in lines:
        code, mark, comment = line.decode().partition("#")
        if mark:
            if "'" in code or '"' in code:
                raise SketchError("a comment, or a part of a string")
            code += COMMENT + comment[len(comment.rstrip("\r\n")) :]
        parts.append(code)
    return "".join(parts)
