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
    """The first line of imports at the top level that has none from `__future__`."""
    for line, _ in _statements(module):
        if not any(_from_future(statement) for statement in line.body):
            return line
    return None


def _from_future(statement: cst.BaseSmallStatement) -> bool:
    return (
        isinstance(statement, cst.ImportFrom)
        and statement.module is not None
        and dotted(statement.module) == "__future__"
    )


def binds(module: cst.Module, name: str) -> bool:
    """Whether a name may mean something already: it stands there, not as an attribute or keyword."""
    stack: list[cst.CSTNode] = [module]
    while stack:
        node = stack.pop()
        if isinstance(node, cst.Name) and node.value == name:
            return True
        if isinstance(node, (cst.Attribute, cst.Arg)):
            stack.append(node.value)
        else:
            stack.extend(node.children)
    return False
