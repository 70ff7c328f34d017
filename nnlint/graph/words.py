"""What the user calls a value: the name on the left of the line that made it. Reads source, runs nothing."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from nnlint.graph.nodes import Graph, Node, Ref


@dataclass(slots=True)
class Words:
    """Names for the values of a graph."""

    graph: Graph
    _names: dict[Ref, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nodes = self.graph.nodes
        for index, node in enumerate(nodes):
            if node.op == "input":
                self._names[Ref(index)] = _of_input(node)
            elif node.op in ("parameter", "buffer") or (node.op == "constant" and _is_named(node)):
                self._names[Ref(index)] = node.name
        for index, node in enumerate(nodes):
            # The last operation of a line is what its name is given to.
            if node.place is None or (index + 1 < len(nodes) and nodes[index + 1].place == node.place):
                continue
            targets = _assigned(node.place.filename).get(node.place.row, ())
            if len(targets) == 1:
                self._names.setdefault(Ref(index), targets[0])
            elif len(targets) == len(node.shapes):
                for number, target in enumerate(targets):
                    self._names.setdefault(Ref(index, number), target)

    def name(self, ref: Ref) -> str | None:
        """The user's name for it, without quotes; None if it has none."""
        return self._names.get(ref)


def _is_named(node: Node) -> bool:
    return node.name.rstrip("_0123456789") != "constant"


def _of_input(node: Node) -> str:
    """`images` for `batch[0]` in `for images, labels in loader`."""
    if node.place is None:
        return node.name
    targets = _looped(node.place.filename).get(node.place.row)
    if targets is None or not node.name.startswith("batch"):
        return node.name
    if len(targets) == 1:
        return targets[0] + node.name.removeprefix("batch")
    for number, target in enumerate(targets):
        if node.name.startswith(f"batch[{number}]"):
            return target + node.name.removeprefix(f"batch[{number}]")
    return node.name


@cache
def _assigned(filename: str) -> dict[int, tuple[str, ...]]:
    """The names that each line's value gets, by every row of the statement."""
    names: dict[int, tuple[str, ...]] = {}
    for statement in _statements(filename):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: ast.expr = statement.targets[0]
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            target = statement.target
        else:
            continue
        for row in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            names[row] = _texts(target)
    return names


@cache
def _looped(filename: str) -> dict[int, tuple[str, ...]]:
    """The names of each `for` by its row; those behind the counter of `for i, batch in enumerate(…)`."""
    names: dict[int, tuple[str, ...]] = {}
    for statement in _statements(filename):
        if isinstance(statement, (ast.For, ast.AsyncFor)):
            target: ast.expr = statement.target
            call = statement.iter
            counted = isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "enumerate"
            if counted and isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == 2:
                target = target.elts[1]
            names[statement.lineno] = _texts(target)
    return names


def _texts(target: ast.expr) -> tuple[str, ...]:
    """`a` and `b` for `a, b`; nothing where one of them is neither a name nor an attribute."""
    targets: Sequence[ast.expr] = target.elts if isinstance(target, (ast.Tuple, ast.List)) else (target,)
    if all(isinstance(entry, (ast.Name, ast.Attribute)) for entry in targets):
        return tuple(ast.unparse(entry) for entry in targets)
    return ()


def _statements(filename: str) -> Iterator[ast.stmt]:
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield node
