"""How a file spells what it imports, and where a fix may add an import."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nnlint.static.functions import dotted


def _statements(module: cst.Module) -> Iterator[tuple[cst.SimpleStatementLine, cst.Import | cst.ImportFrom]]:
    for line in module.body:
        if isinstance(line, cst.SimpleStatementLine):
            for statement in line.body:
                if isinstance(statement, (cst.Import, cst.ImportFrom)):
                    yield line, statement


def spelling(module: cst.Module, package: str, name: str) -> str | None:
    """What `package.name` is called at the top level of this file: `copy.deepcopy`, `deepcopy`,
    `cp.deepcopy`."""
    for _, statement in _statements(module):
        names = statement.names
        if isinstance(names, cst.ImportStar):
            continue
        for alias in names:
            bound = (
                alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else None
            )
            imported = dotted(alias.name)
            if isinstance(statement, cst.Import) and imported == package:
                return f"{bound or package}.{name}"
            if not isinstance(statement, cst.ImportFrom) or statement.module is None or statement.relative:
                continue
            if imported == name and dotted(statement.module) == package:
                return bound or name
    return None


def first_import(module: cst.Module) -> cst.CSTNode | None:
    """The first import of the file that is not from `__future__`."""
    for line, statement in _statements(module):
        future = (
            isinstance(statement, cst.ImportFrom)
            and statement.module is not None
            and dotted(statement.module) == "__future__"
        )
        if not future:
            return line
    return None
