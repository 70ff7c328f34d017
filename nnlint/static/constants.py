"""Arithmetic on constants that the file spells out, and names that a star import may have brought."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

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


def plausible_star(star: str, name: str) -> bool:
    """Whether `from star import *` may have brought this name: only torch's own modules are trusted."""
    if star == "torch.nn":
        return name[:1].isupper() or name in {"functional", "init", "utils", "parallel"}
    if star in {"torch.nn.functional", "torch"}:
        return name[:1].islower()
    return star in {"torch.optim", "torch.utils.data"} and name[:1].isupper()
