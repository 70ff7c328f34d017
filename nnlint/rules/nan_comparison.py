"""See rules/nan-comparison.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Problem, Replacement, Rule
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

NAMES = re.compile(r"^(?:numpy|math|cmath|torch|cupy|jax\.numpy)\.(?:nan|NaN|NAN)$")
# Wrapped in these, it stays what it is.
WRAPPERS = frozenset({"tensor", "as_tensor", "numpy.array", "numpy.float32", "numpy.float64", "torch.Tensor"})
SAYS = {"eq": "False", "is": "False", "ne": "True", "is not": "True"}


class NanComparison(Rule):
    words = ("nan", "NaN", "NAN")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls_of(*SAYS):
            if len(call.args) < 2 or not isinstance(call.node, (cst.Comparison, cst.Call)):
                continue
            for place, other in enumerate(call.args[:2]):
                nan = call.args[1 - place]
                if not _is_nan(nan) or _is_nan(other):  # NaN against NaN: a test of just this
                    continue
                asked = _sides(call.node)[place]
                if call.op in {"eq", "ne"} or _never_that_object(script, call, other, nan, asked):
                    yield self._report(script, call, other, asked)

    def _report(self, script: ScriptModel, call: Value, other: Value, asked: cst.CSTNode | None) -> Problem:
        assert call.node is not None
        name = script.text(asked, 40) or script.name_of(other, "the value")
        test = "math.isnan" if other.kind is Kind.NUMBER else "torch.isnan"
        why = (
            "compares NaN, which equals nothing, not even itself"
            if call.op in {"eq", "ne"}
            else "asks for one NaN object, which a computed NaN is not"
        )
        return self.problem(
            call.node,
            f"`{script.text(call.node, 50)}` {why}, so it is always {SAYS[call.op]} and a NaN is never "
            f"noticed; use `{test}({name})`",
            fix=_fix(script, call, other, asked),
        )


def _sides(node: cst.CSTNode) -> tuple[cst.BaseExpression | None, cst.BaseExpression | None]:
    """What stands left and right of a single comparison."""
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        return node.left, node.comparisons[0].comparator
    return None, None


def _fix(script: ScriptModel, call: Value, other: Value, asked: cst.CSTNode | None) -> Draft | None:
    """For a single comparison of a tensor, or of a number where `math` is imported."""
    if asked is None or call.node is None or "#" in script.text(call.node, 9999):
        return None
    code = script.code(asked)
    negated = call.op in {"ne", "is not"}
    if other.kind is Kind.TENSOR:
        primary = isinstance(asked, (cst.Name, cst.Attribute, cst.Call, cst.Subscript))
        fixed = f"{code}.isnan()" if primary else f"({code}).isnan()"
        fixed = f"(~{fixed})" if negated else fixed
    elif other.kind is Kind.NUMBER and "import math" in script.source.text.splitlines():
        fixed = f"(not math.isnan({code}))" if negated else f"math.isnan({code})"
    else:
        return None
    return Draft("Ask with `isnan`", (Replacement(call.node, fixed),))


def _is_nan(value: Value) -> bool:
    """Whether it is NaN, whichever way was taken to it."""
    return all(_written_nan(part) for part in value.alternatives())


def _written_nan(value: Value) -> bool:
    if value.kind is Kind.NAME:
        return NAMES.match(value.op) is not None
    if value.op == "builtins.float" and len(value.args) == 1:
        text = value.args[0].const
        return isinstance(text, str) and text.strip().lower().lstrip("+-") == "nan"
    return value.op in WRAPPERS and len(value.args) > 0 and _is_nan(value.args[0])


def _never_that_object(
    script: ScriptModel, call: Value, value: Value, nan: Value, asked: cst.CSTNode | None
) -> bool:
    """Whether `is` cannot find what it looks for: a computed number, or a NaN made on the spot.

    `np.nan` as the mark of "nothing given" is one object, and `is` finds it.
    """
    if nan.kind is not Kind.NAME:
        return nan.name == ""
    if value.kind not in (Kind.TENSOR, Kind.NUMBER) or value.alts:
        return False
    name = asked.attr.value if isinstance(asked, cst.Attribute) else script.text(asked)
    functions = call.frame.functions()[:1] if call.frame is not None else []
    defaults = [part.default for info in functions for part in info.parameters if part.name == name]
    marks = [script.value_of(default) for default in defaults if default is not None]
    marks += [fact.value for fact in script.facts if fact.name == name]
    return not any(_written_nan(part) for mark in marks if mark is not None for part in mark.alternatives())
