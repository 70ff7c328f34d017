"""Arithmetic on constants that the file spells out, and names that a star import may have brought."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnlint.static.values import Value

# Arithmetic on known constants; powers and shifts only within bounds, so that reading always ends.
FOLD: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "remainder": operator.mod,
    "floor_divide": operator.floordiv, "pow": operator.pow, "lt": operator.lt, "gt": operator.gt,
    "le": operator.le,
    "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip


def fold(op: str, left: Any, right: Any) -> Any:
    """The result for two constants, or None where it is not worth or not safe knowing."""
    function = FOLD.get(op)
    if function is None or left is None or right is None:
        return None
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    strings = isinstance(left, str) and isinstance(right, str) and op in {"add", "eq", "ne"}
    if not numbers and not strings:
        return None
    if numbers and op == "pow" and (abs(right) > 64 or abs(left) > 1e6):
        return None
    try:
        return function(left, right)
    except (ArithmeticError, ValueError, TypeError):
        return None


def members(left: Value, right: Value) -> tuple[str, str] | None:
    """Two members of one enumeration of another file (`Phase.TRAIN`, `Phase.TEST`), by the style guide's
    spelling; members of different names differ."""
    names = []
    for value in (left, right):
        if value.op != "getattr" or not isinstance(value.const, str) or not value.const.isupper():
            return None
        names.append(value.name.removesuffix(f".{value.const}"))
    owner = names[0].rpartition(".")[2]
    same = names[0] == names[1] and owner[:1].isupper() and not owner.isupper()
    return (str(left.const), str(right.const)) if same else None


def plausible_star(star: str, name: str) -> bool:
    """Whether `from star import *` may have brought this name: only torch's own modules are trusted."""
    if star == "torch.nn":
        return name[:1].isupper() or name in {"functional", "init", "utils", "parallel"}
    if star in {"torch.nn.functional", "torch"}:
        return name[:1].islower()
    return star in {"torch.optim", "torch.utils.data"} and name[:1].isupper()
