"""Figures that a function hands to a library which keeps the best: ignite's scores, optuna's objectives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.metrics import Better, better, better_by_name
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import FunctionInfo

HANDLERS = frozenset({"EarlyStopping", "ModelCheckpoint", "Checkpoint"})
DIRECTIONS = {"minimize": Better.LOWER, "maximize": Better.HIGHER}
# Calls around a figure that leave it what it is.
PLAIN = frozenset({"float", "round", "item"})


def score_functions(script: ScriptModel) -> Iterator[tuple[cst.CSTNode, str, Better]]:
    """Where an ignite handler, which keeps the highest score, keeps the worst: the place, the figure's name
    and its better direction."""
    for call in script.calls:
        short = call.op.rpartition(".")[2]
        if not call.op.startswith("ignite.") or call.node is None:
            continue
        if short == "get_default_score_fn":
            yield from _default_score(call)
        elif short in HANDLERS:
            function = call.kwargs.get("score_function") or (
                call.args[1] if short == "EarlyStopping" and len(call.args) > 1 else None
            )
            if function is not None:
                yield from _score(script, function)


def _default_score(call: Value) -> Iterator[tuple[cst.CSTNode, str, Better]]:
    name = call.args[0] if call.args else call.kwargs.get("metric_name")
    sign = call.args[1] if len(call.args) > 1 else call.kwargs.get("score_sign")
    if name is None or not isinstance(name.const, str) or call.node is None:
        return
    direction = better_by_name(name.const)
    if direction is None or (sign is not None and not isinstance(sign.const, (int, float))):
        return
    negative = sign is not None and sign.const < 0
    if (direction is Better.LOWER) is not negative:
        yield call.node, name.const, direction


def _score(script: ScriptModel, function: Value) -> Iterator[tuple[cst.CSTNode, str, Better]]:
    if function.op == "lambda" and isinstance(function.node, cst.Lambda):
        results = [function.node.body]
    elif function.function is not None:
        results = [node.value for node in _returns(script, function.function) if node.value is not None]
    else:
        return
    for result in results:
        name, sign = _figure(script, result)
        direction = better_by_name(name) if name else None
        if direction is not None and (direction is Better.HIGHER) is not (sign > 0):
            yield result, name, direction


def _returns(script: ScriptModel, info: FunctionInfo) -> list[cst.Return]:
    found = {
        id(fact.node): fact.node
        for fact in script.facts
        if fact.kind == "return"
        and fact.frame.functions()[:1] == [info]
        and isinstance(fact.node, cst.Return)
    }
    return list(found.values())


def _figure(script: ScriptModel, node: cst.BaseExpression, sign: int = 1, depth: int = 0) -> tuple[str, int]:
    """The name under which a score stands in `engine.state.metrics`, and whether it is negated."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        return _figure(script, node.expression, -sign, depth)
    if isinstance(node, cst.Call) and depth < 4:
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        if isinstance(name, cst.Name) and name.value in PLAIN:
            inner = node.func.value if isinstance(node.func, cst.Attribute) else node.args[0].value
            return _figure(script, inner, sign, depth + 1)
    if (
        isinstance(node, cst.Subscript)
        and len(node.slice) == 1
        and isinstance(node.slice[0].slice, cst.Index)
    ):
        key = node.slice[0].slice.value
        if isinstance(key, cst.SimpleString) and isinstance(key.evaluated_value, str):
            return key.evaluated_value, sign
    if isinstance(node, cst.Name) and depth < 4:
        for fact in script.facts:
            if fact.kind == "name" and fact.name == node.value and isinstance(fact.node, cst.Assign):
                value = script.value_of(node)
                if value is fact.value:
                    return _figure(script, fact.node.value, sign, depth + 1)
    return "", sign


# -- optuna -----------------------------------------------------------------------------------------


def objectives(script: ScriptModel) -> Iterator[tuple[cst.CSTNode, str, Better, Value]]:
    """Where a study goes in the wrong direction: the place, the figure, its better direction, the study."""
    for call in script.calls_of(".optimize"):
        study = call.receiver
        if study is None or study.op != "optuna.create_study" or study.node is None:
            continue
        given = study.kwargs.get("direction")
        if (
            study.args
            or set(study.kwargs) & {"directions", "**"}
            or (given is not None and given.const not in DIRECTIONS)
        ):
            continue
        goes = DIRECTIONS[given.const] if given is not None else Better.LOWER
        objective = call.args[0] if call.args else call.kwargs.get("func")
        if objective is None or objective.function is None:
            continue
        values = [
            fact.value
            for fact in script.facts
            if fact.kind == "return" and fact.frame.functions()[:1] == [objective.function]
        ]
        found = {_direction(value) for value in values if value.kind is not Kind.CONST}
        if len(found) == 1 and (direction := found.pop()) is not None and direction is not goes:
            yield study.node, next((v.name for v in values if v.name), ""), direction, study


def _direction(value: Value) -> Better | None:
    flow, name = better(value), better_by_name(value.name)
    return flow if name is None or flow is name else name if flow is None else None
