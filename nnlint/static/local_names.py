"""The local names of a function in the order in which they are written and read."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from nnlint.static.walk import children, descend

DEEPEST = 150  # nested nodes; deeper ones may hold any name
# Whoever calls these may read any local name.
READS_ALL = frozenset({"locals", "vars", "eval", "exec"})


@dataclass(eq=False)
class _Mention:
    name: str
    node: cst.CSTNode  # of a write, the statement
    write: bool
    block: int
    loops: tuple[int, ...]


class LocalNames:
    """Every mention of a local name in a function."""

    def __init__(self, function: cst.FunctionDef) -> None:
        self._mentions: list[_Mention] = []
        self._captured: set[str] = set()  # by nested functions, `global` or `nonlocal`
        self._open = False
        self._block = 0
        self._blocks = 0
        self._loops: tuple[int, ...] = ()
        self._depth = 0
        self._visit(function.body)

    def replaced(self, statement: cst.CSTNode, name: str) -> cst.CSTNode | None:
        """The later statement of the same block that replaces the value of `name` before it is read."""
        place = self._place(statement, name)
        if place is None:
            return None
        later = next((m for m in self._mentions[place + 1 :] if m.name == name), None)
        if later is None or not later.write or later.block != self._mentions[place].block:
            return None
        return later.node

    def reads(self, name: str, body: cst.CSTNode) -> bool:
        """Whether anything inside `body` reads the name."""
        inside = {id(node) for node in descend(body)}
        return (
            self._open
            or name in self._captured
            or any(m.name == name and not m.write and id(m.node) in inside for m in self._mentions)
        )

    def _place(self, statement: cst.CSTNode, name: str) -> int | None:
        if self._open or name in self._captured:
            return None
        found = (
            i for i, m in enumerate(self._mentions) if m.write and m.node is statement and m.name == name
        )
        return next(found, None)

    # -- the walk -------------------------------------------------------------------------------

    def _visit(self, node: cst.CSTNode | None) -> None:
        if node is None:
            return
        self._depth += 1
        if self._depth > DEEPEST:
            self._open = True
        else:
            self._read(node)
        self._depth -= 1

    def _read(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.Name):
            self._open = self._open or node.value in READS_ALL
            self._note(node, node.value, write=False)
        elif isinstance(node, (cst.Attribute, cst.Arg)):
            self._visit(node.value)
        elif isinstance(node, cst.Assign):
            self._visit(node.value)
            for target in node.targets:
                self._store(target.target, node)
        elif isinstance(node, (cst.AnnAssign, cst.AugAssign, cst.NamedExpr)):
            if isinstance(node, cst.AugAssign):
                self._visit(node.target)
            self._visit(node.value)
            if node.value is not None:
                self._store(node.target, node)
        elif isinstance(node, (cst.For, cst.While)):
            self._loop(node)
        elif isinstance(node, cst.WithItem):
            self._visit(node.item)
            if node.asname is not None:
                self._store(node.asname.name, node)
        elif isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Lambda, cst.Global, cst.Nonlocal)):
            self._captured.update(part.value for part in descend(node) if isinstance(part, cst.Name))
        elif isinstance(node, cst.Try):
            self._open = True
        else:
            block = self._block
            if isinstance(node, (cst.IndentedBlock, cst.SimpleStatementSuite)):
                self._blocks += 1
                self._block = self._blocks
            for child in children(node):
                self._visit(child)
            self._block = block

    def _loop(self, node: cst.For | cst.While) -> None:
        loops = self._loops
        if isinstance(node, cst.For):
            self._visit(node.iter)
        self._loops = (*loops, id(node))
        if isinstance(node, cst.For):
            self._store(node.target, node)
        else:
            self._visit(node.test)
        self._visit(node.body)
        self._loops = loops
        self._visit(node.orelse)

    def _store(self, target: cst.BaseExpression, statement: cst.CSTNode) -> None:
        if isinstance(target, cst.Name):
            self._note(statement, target.value, write=True)
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._store(element.value, statement)
        elif isinstance(target, cst.StarredElement):
            self._store(target.value, statement)
        else:
            self._visit(target)

    def _note(self, node: cst.CSTNode, name: str, *, write: bool) -> None:
        self._mentions.append(_Mention(name, node, write, self._block, self._loops))
