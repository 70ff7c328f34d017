"""A sound script, the places in it where a bug can be planted, and the script with the bug in it.

Places are found by patterns, which are Python: in `_f.softmax(_x, dim=1, ...)` a name with a leading
underscore stands for anything (the same thing wherever it stands twice), and `...` for any further arguments.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Mutant:
    """A script with a bug, and the rows (from 1) on one of which a finding has to begin."""

    text: str
    rows: frozenset[int]
    origin: str


@dataclass(frozen=True)
class Site:
    """A node that a pattern fits, and what its names stand for."""

    node: Any
    bound: dict[str, Any]
    rest: Sequence[ast.expr | ast.keyword] = ()


@dataclass(frozen=True)
class Edit:
    """Bytes of the source that become others."""

    start: int
    end: int
    code: bytes


Node: TypeAlias = "ast.expr | ast.stmt | ast.arg | ast.keyword | ast.alias"
Block: TypeAlias = "list[ast.stmt]"
LOOPS = (ast.For, ast.While)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Script:
    """One script; all edits are made to its text, so that whatever is not touched keeps its line."""

    text: str
    origin: str = ""
    tree: ast.Module = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)
        self._bytes = self.text.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._parents = {
            child: parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)
        }

    # Looking

    def find(self, *patterns: str, within: ast.AST | None = None) -> Iterator[Site]:
        """The places that one of the patterns fits, in the order of the text."""
        wanted = [_parsed(pattern) for pattern in patterns]
        found = []
        for node in ast.walk(within or self.tree):
            for pattern in wanted:
                bound: dict[str, Any] = {}
                rest: list[Any] = []
                if isinstance(node, (ast.expr, ast.stmt)) and _fits(pattern, node, bound, rest):
                    found.append(Site(node, bound, rest))
                    break
        yield from sorted(found, key=lambda site: (site.node.lineno, site.node.col_offset))

    def source(self, node: Any) -> str:
        """The text of a node."""
        return self._bytes[self._start(node) : self._end(node)].decode()

    def filled(self, template: str, site: Site) -> str:
        """The template with what the pattern's names stand for."""
        rest = ", ".join(self.source(node) for node in site.rest)
        code = template.replace(", ...", f", {rest}" if rest else "").replace("...", rest)
        for name, value in site.bound.items():
            text = value if isinstance(value, str) else self._operand(value)
            code = re.sub(rf"(?<!\w){name}(?!\w)", text.replace("\\", r"\\"), code)
        return code

    def parent(self, node: ast.AST) -> ast.AST:
        return self._parents.get(node, self.tree)

    def around(self, node: ast.AST, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """What encloses the node and is of one of these kinds, from the inside out."""
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, kinds):
                yield node

    def function(self, node: ast.AST) -> ast.AST:
        """The function that holds the node, or the module."""
        return next(self.around(node, *FUNCTIONS), self.tree)

    def loop(self, node: ast.AST) -> ast.stmt | None:
        """The innermost loop around the node in its own function."""
        inside = next(self.around(node, *LOOPS, *FUNCTIONS), None)
        return inside if isinstance(inside, LOOPS) else None

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that the node stands in, or is."""
        while not isinstance(node, ast.stmt):
            node = self._parents[node]
        return node

    def alone(self, node: ast.AST) -> bool:
        """Whether the expression is a statement of its own."""
        return isinstance(self.parent(node), ast.Expr)

    def block(self, statement: ast.stmt) -> Block:
        """The statements among which this one stands."""
        parent = self.parent(statement)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(parent, name, None)
            if isinstance(block, list) and statement in block:
                return block
        return [statement]

    def classes(self, base: str = "") -> Iterator[ast.ClassDef]:
        """The classes of the script, of those with such a base."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and (
                not base or any(self.source(item).endswith(base) for item in node.bases)
            ):
                yield node

    def forwards(self) -> Iterator[tuple[ast.FunctionDef, str]]:
        """The forward of each module that takes one input, and the name of that."""
        for kind in self.classes("Module"):
            for method in kind.body:
                if isinstance(method, ast.FunctionDef) and method.name == "forward":
                    names = [argument.arg for argument in method.args.args]
                    yield from [(method, names[1])] if len(names) == 2 else ()

    def methods(self, name: str) -> Iterator[ast.FunctionDef]:
        """The methods of this name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                yield from [node] if isinstance(self.parent(node), ast.ClassDef) else ()

    def unbound(self) -> set[str]:
        """The names that the script reads and nowhere binds."""
        read: set[str] = set()
        bound = set(dir(builtins))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, (ast.ClassDef, *FUNCTIONS)):
                bound.add(node.name)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound.add(node.name)
        return read - bound

    def spelling(self, qualified: str) -> str | None:
        """How the script can write `torch.nn.functional.softmax`; None if it imports nothing of it."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
                    if qualified == whole or qualified.startswith(f"{whole}."):
                        return (alias.asname or alias.name) + qualified[len(whole) :]
        return None

    # Changing

    def replace(self, node: Node, code: str) -> Edit:
        return Edit(self._start(node), self._end(node), code.encode())

    def drop(self, statement: ast.stmt) -> Edit:
        """The statement goes, with its lines."""
        if len(self.block(statement)) == 1:
            return self.replace(statement, "pass")
        first, last = self._lines(statement)
        return Edit(self._starts[first - 1], self._starts[last], b"")

    def before(self, statement: ast.stmt, code: str) -> Edit:
        first, _ = self._lines(statement)
        at = self._starts[first - 1]
        return Edit(at, at, self._indented(code, statement))

    def after(self, statement: ast.stmt, code: str) -> Edit:
        _, last = self._lines(statement)
        at = self._starts[last]
        return Edit(at, at, self._indented(code, statement))

    def undecorated(self, function: ast.FunctionDef) -> Edit:
        """The function without its decorators."""
        first, _ = self._lines(function)
        return Edit(self._starts[first - 1], self._starts[function.lineno - 1], b"")

    def moved(self, statement: ast.stmt) -> str:
        """The text of a statement, to be put elsewhere."""
        first, last = self._lines(statement)
        indent = b" " * statement.col_offset
        lines = self._bytes[self._starts[first - 1] : self._starts[last]].splitlines(keepends=True)
        return b"".join(line.removeprefix(indent) for line in lines).decode().rstrip("\n")

    def rewrite(self, pattern: str, template: str) -> Iterator[Mutant]:
        """One mutant a place that the pattern fits."""
        for site in self.find(pattern):
            yield self.mutant(self.replace(site.node, self.filled(template, site)))

    def mutant(self, *edits: Edit, at: Sequence[Any] | None = None, also: Sequence[Any] = ()) -> Mutant:
        """The script after these edits; a finding is due where they are (or `also`), or `at` these nodes."""
        ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
        parts, done, spans = [], 0, []
        for edit in ordered:
            parts.append(self._bytes[done : edit.start])
            start = sum(map(len, parts))
            parts.append(edit.code)
            spans.append((start, start + max(len(edit.code.rstrip()), 1) - 1))
            done = edit.end
        changed = b"".join([*parts, self._bytes[done:]])
        if at is not None:
            spans = []
        spans += [self._span(node, ordered) for node in (*(at or ()), *also) if node is not None]
        rows: set[int] = set()
        for start, end in spans:
            rows.update(range(changed.count(b"\n", 0, start) + 1, changed.count(b"\n", 0, end) + 2))
        return Mutant(changed.decode(), frozenset(rows), self.origin)

    # Places

    def _span(self, node: Node, edits: Sequence[Edit]) -> tuple[int, int]:
        """Where a node begins and ends after the edits; of a compound statement, its first line."""
        start, end = self._start(node), self._end(node)
        if hasattr(node, "body") and isinstance(node.body, list):
            end = start
        return tuple(  # type: ignore[return-value]
            place + sum(len(edit.code) - (edit.end - edit.start) for edit in edits if edit.end <= place)
            for place in (start, end)
        )

    def _start(self, node: Node) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: Node) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _lines(self, statement: ast.stmt) -> tuple[int, int]:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(item.lineno for item in decorators)])
        assert statement.end_lineno is not None
        return first, statement.end_lineno

    def _indented(self, code: str, like: ast.stmt) -> bytes:
        indent = " " * like.col_offset
        return "".join(f"{indent}{line}\n" for line in code.split("\n")).encode()

    def _operand(self, node: ast.expr) -> str:
        loose = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda)
        return f"({self.source(node)})" if isinstance(node, loose) else self.source(node)


def _parsed(pattern: str) -> ast.AST:
    statement = ast.parse(pattern).body[0]
    return statement.value if isinstance(statement, ast.Expr) else statement


def _free(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_rest(node: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _fits(pattern: object, node: object, bound: dict[str, Any], rest: list[object]) -> bool:
    if isinstance(pattern, ast.Name) and _free(pattern.id) and isinstance(node, ast.expr):
        return _bind(pattern.id, node, bound)
    if isinstance(pattern, str) and isinstance(node, str) and _free(pattern):
        return pattern == "_" or bound.setdefault(pattern, node) == node
    if isinstance(pattern, list) and isinstance(node, list):
        return len(pattern) == len(node) and all(
            _fits(one, other, bound, rest) for one, other in zip(pattern, node, strict=True)
        )
    if isinstance(pattern, ast.Call) and isinstance(node, ast.Call):
        return _fits(pattern.func, node.func, bound, rest) and _arguments(pattern, node, bound, rest)
    if isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and all(
            _fits(getattr(pattern, name), getattr(node, name), bound, rest)
            for name in pattern._fields
            if name not in ("ctx", "type_comment", "kind")
        )
    return pattern == node


def _arguments(pattern: ast.Call, node: ast.Call, bound: dict[str, Any], rest: list[object]) -> bool:
    wanted = [argument for argument in pattern.args if not _is_rest(argument)]
    open_ended = len(wanted) < len(pattern.args)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    named = {keyword.arg for keyword in pattern.keywords}
    if len(wanted) > len(node.args) or not named <= set(given):
        return False
    left = [*node.args[len(wanted) :], *(word for word in node.keywords if word.arg not in named)]
    if left and not open_ended:
        return False
    rest.extend(left)
    return all(
        _fits(one, other, bound, rest)
        for one, other in [
            *zip(wanted, node.args, strict=False),
            *((keyword.value, given[keyword.arg]) for keyword in pattern.keywords),
        ]
    )


def _bind(name: str, node: ast.expr, bound: dict[str, Any]) -> bool:
    if name == "_":
        return True
    known = bound.setdefault(name, node)
    return known is node or (isinstance(known, ast.AST) and ast.unparse(known) == ast.unparse(node))
