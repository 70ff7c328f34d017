"""Random changes to training code that leave it Python: what an editor holds while somebody types."""

from __future__ import annotations

import ast
import random
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import TypeAlias

Change: TypeAlias = Callable[[random.Random, str, ast.Module], str | None]

_WRAPPERS = (
    "if flag:\n{body}",
    "if flag:\n    pass\nelse:\n{body}",
    "for item in items:\n{body}",
    "while flag:\n{body}",
    "with torch.no_grad():\n{body}",
    "with torch.autocast('cuda'):\n{body}",
    "try:\n{body}\nexcept Exception:\n    pass",
    "try:\n    pass\nfinally:\n{body}",
    "def wrapped(model, optimizer, loader):\n{body}",
    "async def wrapped(self):\n{body}",
    "class Wrapped(nn.Module):\n    def forward(self, x):\n{twice}",
    "match mode:\n    case 'train':\n{twice}\n    case _:\n        pass",
)
_EXPRESSIONS = (
    "x",
    "model",
    "loss",
    "-1",
    "0.5",
    "None",
    "{expression}[0]",
    "({expression})",
    "[{expression}]",
    "not {expression}",
    "-({expression})",
    "({expression} if flag else x)",
    "(lambda: {expression})()",
    "[{expression} for x in batch]",
    "(y := {expression})",
    "f'{{{expression}}}'",
    "{expression}.detach()",
    "{expression}.item()",
    "nn.Sequential({expression})",
    "{{**{expression}}}",
    "print(*{expression})",
)


def mutant(rng: random.Random, text: str, changes: int) -> str:
    """The text after so many random changes, each of which leaves it Python, and not empty."""
    for _ in range(changes):
        for _ in range(20):
            change = rng.choice(CHANGES)
            changed = change(rng, text, ast.parse(text))
            if changed is not None and changed != text and is_program(changed):
                text = changed
                break
    return text


def is_program(text: str) -> bool:
    """Whether it is Python, and says anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "mutant", "exec")
            return bool(ast.parse(text).body)
        except (SyntaxError, ValueError, RecursionError):
            return False


def _blocks(tree: ast.Module) -> list[list[ast.stmt]]:
    blocks = []
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                blocks.append(block)
    return blocks


def _lines_of(statement: ast.stmt) -> slice:
    """The lines of a statement, decorators included."""
    first = min([statement.lineno, *(item.lineno for item in getattr(statement, "decorator_list", []))])
    return slice(first - 1, statement.end_lineno)


def _cut(lines: Sequence[str], where: slice) -> str:
    return textwrap.dedent("".join(lines[where])).rstrip("\n") + "\n"


def _indent_of(lines: Sequence[str], statement: ast.stmt) -> str:
    line = lines[statement.lineno - 1]
    return line[: len(line) - len(line.lstrip())]


def delete_statement(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    block = rng.choice(_blocks(tree))
    lines = text.splitlines(keepends=True)
    statement = rng.choice(block)
    lines[_lines_of(statement)] = [] if block[1:] else [f"{_indent_of(lines, statement)}pass\n"]
    return "".join(lines)


def duplicate_statement(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    """A statement stands once more, at a place where another one stands."""
    lines = text.splitlines(keepends=True)
    copied = _cut(lines, _lines_of(rng.choice(rng.choice(_blocks(tree)))))
    place = rng.choice(rng.choice(_blocks(tree)))
    at = _lines_of(place).start
    lines[at:at] = [textwrap.indent(copied, _indent_of(lines, place))]
    return "".join(lines)


def swap_statements(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    blocks = [block for block in _blocks(tree) if block[1:]]
    if not blocks:
        return None
    first, second = sorted(rng.sample(rng.choice(blocks), 2), key=lambda statement: statement.lineno)
    lines = text.splitlines(keepends=True)
    one, two = _lines_of(first), _lines_of(second)
    if one.stop > two.start:
        return None
    lines[two], lines[one] = lines[one], lines[two]
    return "".join(lines)


def wrap_statements(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    block = rng.choice(_blocks(tree))
    first = rng.randrange(len(block))
    last = rng.randrange(first, min(first + 5, len(block)))
    lines = text.splitlines(keepends=True)
    where = slice(_lines_of(block[first]).start, block[last].end_lineno)
    indent = _indent_of(lines, block[first])
    body = _cut(lines, where)
    wrapper = rng.choice(_WRAPPERS)
    once, twice = (textwrap.indent(body.rstrip("\n"), "    " * depth) for depth in (1, 2))
    lines[where] = [textwrap.indent(wrapper.format(body=once, twice=twice) + "\n", indent)]
    return "".join(lines)


def _replace(text: str, node: ast.expr, code: str) -> str | None:
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    if node.end_lineno is None or node.end_col_offset is None:
        return None
    head = lines[node.lineno - 1][: node.col_offset]
    tail = lines[node.end_lineno - 1][node.end_col_offset :]
    lines[node.lineno - 1 : node.end_lineno] = [head + code.encode() + tail]
    return b"".join(lines).decode()


def _expression(rng: random.Random, tree: ast.Module) -> ast.expr | None:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    return rng.choice(found) if found else None


def replace_expression(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    node, other = _expression(rng, tree), _expression(rng, tree)
    if node is None or other is None:
        return None
    code = ast.get_source_segment(text, other)
    return _replace(text, node, code) if code else None


def change_expression(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    node = _expression(rng, tree)
    code = ast.get_source_segment(text, node) if node else None
    return _replace(text, node, rng.choice(_EXPRESSIONS).format(expression=code)) if node and code else None


def rename(rng: random.Random, text: str, tree: ast.Module) -> str | None:
    """One use of a name becomes another name, of the script or of Python."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if not names:
        return None
    others = [*(node.id for node in names), "self", "torch", "super", "print", "é", "漢字"]
    return _replace(text, rng.choice(names), rng.choice(others))


CHANGES: tuple[Change, ...] = (
    delete_statement,
    duplicate_statement,
    swap_statements,
    wrap_statements,
    replace_expression,
    change_expression,
    rename,
)
