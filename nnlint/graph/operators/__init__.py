"""What each operator does to the batch axis: one rule an operator, one module a family.

Every module of this package is imported; `rule` enters a function under the names of its operators. In-place
variants
and overloads share the name of the plain operator.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from nnlint.graph.operators.registry import RULES, Transfer

# Operators that hand a number to Python.
ESCAPES = frozenset({"_local_scalar_dense", "item", "equal", "is_nonzero"})


@cache
def name_of(op: str) -> str:
    """`add` for "aten.add_.Tensor"."""
    parts = op.split(".")
    name = parts[1] if len(parts) > 1 else parts[0]
    if name.startswith("__") and name.endswith("__"):
        name = name.strip("_")
        return "bitwise_" + name.removeprefix("i") if name.removeprefix("i") in ("and", "or", "xor") else name
    return name.rstrip("_") or name


def rule_for(name: str) -> Transfer | None:
    """The rule of an operator; None if it has none."""
    _load()
    return RULES.get(name)


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
