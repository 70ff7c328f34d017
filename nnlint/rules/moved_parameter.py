"""See rules/moved-parameter.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Draft, Problem, Replacement, Rule
from nnlint.static.arguments import constant
from nnlint.static.torch_api import FACTORIES
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Not `float`, `cpu` and `contiguous`: a new Parameter is float32, contiguous and on the CPU already, and
# these then give the very same object back.
MOVES = frozenset({"to", "cuda", "double", "half", "bfloat16", "type", "type_as", "clone"})
ARITHMETIC = frozenset({"mul", "div", "add", "sub", "neg"})
REARRANGE = frozenset(
    {"view", "reshape", "unsqueeze", "squeeze", "expand", "repeat", "t", "transpose", "permute"}
)


class MovedParameter(Rule):
    words = ("Parameter",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for fact in script.facts:
            owner, value = fact.owner, fact.value
            if (
                fact.kind != "attribute"
                or owner is None
                or owner.kind is not Kind.MODULE
                or owner.cls is None
            ):
                continue
            if value.op not in MOVES | ARITHMETIC | REARRANGE or not isinstance(
                value.node, cst.BaseExpression
            ):
                continue
            parameter = next((arg for arg in value.args[:2] if arg.op == "torch.nn.Parameter"), None)
            if parameter is None or parameter.frame is not value.frame or _there_already(value, parameter):
                continue
            frozen = constant(parameter, "requires_grad", True) is False
            lost = (
                "it is in no state_dict"
                if frozen
                else "`parameters()` does not hold it and it is never trained"
            )
            severity = None if _made_here(value, parameter) else Severity.WARNING
            yield self.problem(
                value.node,
                f"`self.{fact.name}` is the result of `{_operation(value)}` on an nn.Parameter: a new "
                f"tensor, not a Parameter, so {lost}; do this to the data, inside `nn.Parameter(…)`",
                fix=_inside(script, value, parameter),
                severity=Severity.INFO if frozen else severity,
            )


def _there_already(value: Value, parameter: Value) -> bool:
    """Whether the data were moved to that device before: then `to` gives back the Parameter itself."""
    if value.op not in {"to", "cuda"} or not parameter.args:
        return False
    data = parameter.args[0]
    target = value.args[1] if len(value.args) > 1 else None
    made = data.args[1] if data.op == value.op and len(data.args) > 1 else data.kwargs.get("device")
    if target is None or made is None:
        return data.op == value.op and target is made
    return made is target or (target.kind is Kind.CONST and made.is_const(target.const))


def _made_here(value: Value, parameter: Value) -> bool:
    """Whether the data surely lie somewhere else: a new tensor; one that was given may be there already."""
    if value.op not in {"to", "cuda"} or not parameter.args:
        return True
    return not any(
        part.op in {"param", "batch_item"}
        for part in parameter.args[0].sources(lambda part: part.op not in FACTORIES)
    )


def _operation(value: Value) -> str:
    if isinstance(value.node, cst.Call) and isinstance(value.node.func, cst.Attribute):
        return f".{value.node.func.attr.value}()"
    return value.op


def _inside(script: ScriptModel, value: Value, parameter: Value) -> Draft | None:
    """`nn.Parameter(data).to(device)` -> `nn.Parameter(data.to(device))`, and `nn.Parameter(data) * 0.1`."""
    node, made = value.node, parameter.node
    if (
        not isinstance(made, cst.Call)
        or not made.args
        or made.args[0].keyword is not None
        or made.args[0].star
    ):
        return None
    data = made.args[0]
    simple = isinstance(data.value, (cst.Name, cst.Attribute, cst.Call, cst.Subscript))
    tensor = data.value if simple else _in_parentheses(data.value)
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.value is made:
        tail: cst.BaseExpression = node.with_changes(func=node.func.with_changes(value=tensor))
    elif isinstance(node, cst.BinaryOperation) and made in (node.left, node.right):
        tail = node.with_changes(**{"left" if node.left is made else "right": tensor})
    else:
        return None
    whole = made.with_changes(args=[data.with_changes(value=tail), *made.args[1:]])
    return Draft("Move the data, then make it a Parameter", (Replacement(node, script.code(whole)),))


def _in_parentheses(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])
