"""Names that a script assigns at module level: where they stand, and the script with other values."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Assignment: TypeAlias = "ast.Assign | ast.AnnAssign"


def assignments(tree: ast.Module, name: str) -> list[Assignment]:
    """The statements that give this name a value whenever the module is run, also under an `if` or `with`."""
    return [
        statement
        for statement in statements(tree.body)
        if isinstance(statement, (ast.Assign, ast.AnnAssign))
        and statement.value is not None
        and any(isinstance(target, ast.Name) and target.id == name for target in _targets(statement))
    ]


def replaced(tree: ast.Module, constants: Sequence[Sequence[str]]) -> ast.Module:
    """The module with these literals assigned instead; lines stay where they are."""
    for name, literal in constants:
        value = ast.parse(literal, mode="eval").body
        for statement in assignments(tree, name):
            old = statement.value
            for node in ast.walk(value):
                if isinstance(node, ast.expr) and old is not None:
                    ast.copy_location(node, old)
            statement.value = value
    return tree


def _targets(statement: Assignment) -> Sequence[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, and those within its `if`, `with` and `try`, which run with it."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.If, ast.With, ast.Try)):
            for field in ("body", "handlers", "orelse", "finalbody"):
                for part in getattr(statement, field, ()):
                    yield from statements(part.body if isinstance(part, ast.ExceptHandler) else [part])
