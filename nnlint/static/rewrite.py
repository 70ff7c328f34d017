"""What fixes need to know of the syntax: operands, whole statements, how often a name stands somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.imports import spelling
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

_ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.Integer, cst.Float, cst.List, cst.Dict)


def is_method(script: ScriptModel, node: cst.Call) -> bool:
    """Whether it is called on the tensor that it works on: `x.log()`, not `torch.log(x)` or `self.act(x)`."""
    if not isinstance(node.func, cst.Attribute):
        return False
    base, called = script.value_of(node.func.value), script.value_of(node.func)
    if called is not None and called.kind in (Kind.NAME, Kind.MODULE):
        return False
    return base is not None and base.kind not in (Kind.NAME, Kind.MODULE, Kind.INSTANCE, Kind.CLASS)


def operand(script: ScriptModel, call: Value) -> cst.BaseExpression | None:
    """The expression for the tensor that an operation works on."""
    node = call.node
    if not isinstance(node, cst.Call):
        return None
    if is_method(script, node) and isinstance(node.func, cst.Attribute):
        return node.func.value
    first = node.args[0] if node.args else None
    if first is None or first.star or (first.keyword is not None and first.keyword.value != "input"):
        return None
    return first.value


def code_of(script: ScriptModel, node: cst.BaseExpression) -> str:
    """Its code, fit to stand where a call stood."""
    code = script.module.code_for_node(node)
    return code if isinstance(node, _ATOMS) or node.lpar else f"({code})"


def functional(script: ScriptModel) -> str | None:
    """What the file calls `torch.nn.functional`, or could."""
    if name := spelling(script.module, "torch.nn.functional", ""):
        return name.removesuffix(".")
    if name := spelling(script.module, "torch.nn", "functional"):
        return name
    name = spelling(script.module, "torch", "nn")
    return f"{name}.functional" if name else None


def mentions(node: cst.CSTNode, name: str) -> int:
    """How often the word stands in the code as a name."""
    found = isinstance(node, cst.Name) and node.value == name
    return found + sum(mentions(child, name) for child in node.children)


def lines_of(node: cst.FunctionDef) -> Iterator[cst.SimpleStatementLine]:
    """The statements of a body that stand in it directly and alone on their line."""
    if isinstance(node.body, cst.IndentedBlock):
        for line in node.body.body:
            if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
                yield line
