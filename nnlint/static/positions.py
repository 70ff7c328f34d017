"""Rows and columns of nodes, computed only for files that have something to say.

libcst's PositionProvider records every node in a metadata table; writing the code out once, and noting only
the nodes that are asked for, costs a third of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import libcst as cst
from libcst._nodes.internal import CodegenState

Place = tuple[tuple[int, int], tuple[int, int]]


def positions(module: cst.Module, nodes: Iterable[cst.CSTNode]) -> dict[cst.CSTNode, Place]:
    """node -> ((row, column), (end row, end column)); rows from 1, columns from 0, in code points."""
    wanted = {id(node): node for node in nodes}
    state = _Positions(module.default_indent, module.default_newline, set(wanted))
    module._codegen(state)
    return {node: state.found[key] for key, node in wanted.items() if key in state.found}


class _Positions(CodegenState):
    """Follows the row and column while libcst writes the code."""

    def __init__(self, indent: str, newline: str, wanted: set[int]) -> None:
        super().__init__(indent, newline)
        self.wanted = wanted
        self.row = 1
        self.column = 0
        self.found: dict[int, Place] = {}
        self.open: dict[int, tuple[int, int]] = {}

    def add_token(self, value: str) -> None:
        super().add_token(value)
        self._advance(value)

    def add_indent_tokens(self) -> None:
        super().add_indent_tokens()
        for token in self.indent_tokens:
            self._advance(token)

    def _advance(self, value: str) -> None:
        rows = value.count("\n")
        if "\r" in value:
            rows += value.count("\r") - value.count("\r\n")
        if rows:
            self.row += rows
            self.column = len(value) - max(value.rfind("\n"), value.rfind("\r")) - 1
        else:
            self.column += len(value)

    def before_codegen(self, node: cst.CSTNode) -> None:
        if id(node) in self.wanted:
            self.open[id(node)] = (self.row, self.column)

    def after_codegen(self, node: cst.CSTNode) -> None:
        key = id(node)
        if key in self.wanted and key not in self.found:
            self.found[key] = (self.open[key], (self.row, self.column))

    def record_syntactic_position(
        self, node: cst.CSTNode, *, start_node: Any = None, end_node: Any = None
    ) -> Any:
        return _Syntactic(self, node, start_node, end_node) if id(node) in self.wanted else _NOTHING


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING = _Nothing()


class _Syntactic:
    """Leaves the white space around a node out of its place."""

    def __init__(
        self, state: _Positions, node: cst.CSTNode, start: cst.CSTNode | None, end: cst.CSTNode | None
    ) -> None:
        self.state, self.node, self.start_node, self.end_node = state, node, start, end
        for child in (start, end):
            if child is not None:
                state.wanted.add(id(child))

    def __enter__(self) -> None:
        self.start = (self.state.row, self.state.column)

    def __exit__(self, *_: object) -> None:
        found = self.state.found
        start = (
            found[id(self.start_node)][0]
            if self.start_node is not None and id(self.start_node) in found
            else self.start
        )
        end = (
            found[id(self.end_node)][1]
            if self.end_node is not None and id(self.end_node) in found
            else (self.state.row, self.state.column)
        )
        found[id(self.node)] = (start, end)
