"""Running totals: what a loop adds up, and what it is divided by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static import torch_api
from nnlint.static.arguments import constant
from nnlint.static.splits import loaders_behind
from nnlint.static.values import Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# What leaves a scalar what it is.
SCALAR = torch_api.RELABEL | {
    "item", "tolist", "numpy", "detach", "data", "builtins.float", "builtins.round", "builtins.int",
    "variable", "squeeze", "sum", "mean",
    "numpy.sum", "numpy.mean", "builtins.sum",
}  # fmt: skip
SUMS = frozenset({"builtins.sum", "numpy.sum", "math.fsum"})


@dataclass(frozen=True)
class Total:
    """A running total: `added` is one turn's summand, `loop` the loop that adds it."""

    added: Value
    loop: Frame
    node: cst.CSTNode


def plain(value: Value) -> Value:
    """A number behind `float()`, `.item()` and constant factors."""
    for _ in range(12):
        if value.op in {"mul", "div"} and len(value.args) == 2 and not value.alts:
            constants = [arg.kind is Kind.CONST for arg in value.args]
            if constants[1] or (constants[0] and value.op == "mul"):
                value = value.args[0] if constants[1] else value.args[1]
                continue
            return value
        if (
            value.op in SCALAR
            and value.op not in {"sum", "mean"}
            and value.op not in SUMS
            and len(value.args) == 1
        ):
            value = value.args[0]
            continue
        return value
    return value


def totals(value: Value) -> list[Total]:
    """The loops that add up this number."""
    value = plain(value)
    if value.op in SUMS and value.args:
        return _of_list(value.args[0])
    if value.op in {"sum", "mean"} and value.args and value.args[0].kind is Kind.SEQUENCE:
        return _of_list(value.args[0])
    found = []
    for part in value.alternatives():
        if part.op != "add" or len(part.args) != 2 or part.frame is None:
            continue
        before, added = part.args
        loop = part.frame.loop()
        if loop is None or part.node is None or before.op not in {"phi", "join"}:
            continue
        if not any(other is part for other in before.alternatives()):
            continue
        found.append(Total(added, loop, part.node))
    return found


def _of_list(items: Value) -> list[Total]:
    if items.element is None or items.node is None:
        return []
    if items.op == "comprehension":
        element = items.element
        if element.frame is None:
            return []
        frame = next((frame for frame in element.frame.chain() if frame.kind == "comprehension"), None)
        return [Total(element, frame, items.node)] if frame is not None and frame.node is items.node else []
    found = []
    for part in items.element.alternatives():
        loop = part.frame.loop() if part.frame is not None else None
        if loop is not None and part.node is not None:
            found.append(Total(part, loop, part.node))
    return found


def reduced(script: ScriptModel, added: Value, depth: int = 0) -> str | None:
    """How a summand stands for its batch: "mean" or "sum" over the samples; None where that is not known."""
    found: set[str | None] = set()
    for part in added.sources(SCALAR):
        if part.op in torch_api.LOSSES:
            reduction = constant(part, "reduction", "mean")
            old = {constant(part, "size_average", None), constant(part, "reduce", None)}
            if old != {None} or reduction not in {"mean", "batchmean", "sum"}:
                return None
            found.add("sum" if reduction == "sum" else "mean")
        elif part.op in {"add", "sub"} and len(part.args) == 2 and depth < 5:
            found.update(reduced(script, arg, depth + 1) for arg in part.args)
        elif part.op == "mul" and len(part.args) == 2 and depth < 5:
            left, right = part.args
            if Kind.CONST not in (left.kind, right.kind):
                return None
            found.add(reduced(script, right if left.kind is Kind.CONST else left, depth + 1))
        elif part.is_const(None):
            continue
        else:
            return None
    return found.pop() if len(found) == 1 else None


def counted(value: Value) -> tuple[str, Value] | None:
    """What a denominator counts, "samples", "batches" or "index" (one less than the batches), and of what."""
    value = plain(value)
    if value.op == "builtins.max" and len(value.args) == 2:
        return next((found for found in map(counted, value.args) if found), None)
    if value.op == "builtins.len" and value.args:
        return _length(value.args[0])
    if value.op == "index" and isinstance(value.node, cst.Call) and len(value.node.args) == 1 and value.args:
        loaders = loaders_behind(value.args[0])
        return "index", loaders[0] if loaders else value.args[0]
    return None


def _length(value: Value) -> tuple[str, Value] | None:
    if value.kind is Kind.LOADER:
        return "batches", value
    if (
        value.op == "getattr"
        and value.const in {"dataset", "sampler"}
        and value.args
        and value.args[0].kind is Kind.LOADER
    ):
        return "samples", value.args[0]
    if value.kind is Kind.DATASET and not value.alts:
        return "samples", value
    if value.alts:
        found = [_length(part) for part in value.alternatives() if not part.is_const(None)]
        if found and all(
            item is not None and found[0] is not None and item[0] == found[0][0] for item in found
        ):
            return found[0]
    return None
