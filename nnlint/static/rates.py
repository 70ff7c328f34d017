"""Hand-written learning-rate schedules: what they give at a moment, which branches can be reached."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.arguments import argument
from nnlint.static.schedules import per_epoch_of
from nnlint.static.values import EventKind, Fact, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

SOME = "some"  # a positive number that the file does not show
Number = float | str | None  # None: nothing is known, not even the sign
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow, "floor_divide": operator.floordiv, "remainder": operator.mod,
    "builtins.min": min, "builtins.max": max,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    name: function
    for module in ("math", "numpy")
    for name, function in (
        (f"{module}.cos", math.cos), (f"{module}.sin", math.sin), (f"{module}.exp", math.exp),
        (f"{module}.sqrt", math.sqrt), (f"{module}.floor", math.floor), (f"{module}.ceil", math.ceil),
    )
} | {"builtins.float": float, "builtins.int": int, "neg": operator.neg, "builtins.abs": abs}  # fmt: skip
_UNKNOWN = frozenset({"param", "free", "getattr", "getitem"})
_DEEPEST = 30


@dataclass(frozen=True)
class Rate:
    """A rate (or the factor of one) that is set once an epoch; `counter` is 0 in the first."""

    value: Value
    counter: Value
    node: cst.CSTNode
    frame: Frame | None  # where the tests that lead to it begin; None where it is one expression
    until: Frame | None


def per_epoch(script: ScriptModel) -> Iterator[Rate]:
    """The schedules of a script that count epochs from 0."""
    for event in script.events_of(EventKind.SCHEDULER_STEP):
        for scheduler in event.target.alternatives() if event.target is not None else ():
            if "factor" in scheduler.attrs and per_epoch_of(script, event, scheduler) is not None:
                yield from _factors(script, scheduler)
    for fact in script.facts:
        if sets_rate(fact) and fact.kind == "subscript":
            for epochs in fact.frame.loops():
                counter = _counter(epochs)
                if counter is not None and _holds_training(epochs, fact):
                    yield Rate(fact.value, counter, fact.node, fact.frame, epochs)


def _factors(script: ScriptModel, scheduler: Value) -> Iterator[Rate]:
    function, counter = argument(scheduler, "lr_lambda"), scheduler.attrs["counter"]
    if function is None or scheduler.node is None:
        return
    if function.function is None:
        yield Rate(scheduler.attrs["factor"], counter, function.node or scheduler.node, None, None)
        return
    for fact in script.facts:
        frame = next((f for f in fact.frame.chain() if f.kind == "function"), None)
        if fact.kind != "return" or frame is None or frame.function is not function.function:
            continue
        if any(part is counter for part in fact.value.graph()):
            yield Rate(fact.value, counter, fact.node, fact.frame, frame)


def sets_rate(fact: Fact) -> bool:
    """Whether a statement is `group["lr"] = …`, or sets a name that speaks of a rate."""
    if fact.kind == "subscript" and isinstance(fact.node, cst.Assign):
        return any(_is_lr(target.target) for target in fact.node.targets)
    words = set(fact.name.lower().rpartition(".")[2].split("_"))
    return fact.kind in {"name", "augmented"} and ("lr" in words or {"learning", "rate"} <= words)


def _is_lr(node: cst.BaseExpression) -> bool:
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return False
    index = node.slice[0].slice
    key = index.value if isinstance(index, cst.Index) else None
    return isinstance(key, cst.SimpleString) and key.value in {"'lr'", '"lr"'}


def _counter(loop: Frame) -> Value | None:
    """The index of a loop over `range(n)`: it starts at 0."""
    iterated = loop.value
    if iterated is None or iterated.op != "range" or iterated.element is None:
        return None
    if len(iterated.args) > 1 and not iterated.args[0].is_const(0):
        return None
    return iterated.element


def _holds_training(epochs: Frame, fact: Fact) -> bool:
    """Whether a loop over batches inside this loop steps an optimizer, after the rate is set."""
    for event in epochs.events:
        inner = event.frame.loop()
        if (
            event.kind is EventKind.STEP
            and inner is not None
            and inner is not epochs
            and event.time > fact.time
        ):
            return not fact.frame.inside(inner)
    return False


# -- what a formula gives -----------------------------------------------------------------------------


def at(rate: Rate, moment: float) -> Number:
    """The rate at a moment; None where it is not known, or where its tests do not surely lead there."""
    if rate.frame is not None:
        for test in rate.frame.tests(rate.until):
            holds = truth(test.value, rate.counter, moment) if test.value is not None else None
            if holds is not test.branch:
                return None
    return evaluate(rate.value, rate.counter, moment)


def starts_at_zero(rate: Rate) -> bool:
    """Whether the formula gives 0 in epoch 0 and more later on; a 0 that is written out is meant."""
    if at(rate, 0.0) != 0.0:
        return False
    return at(rate, 1.0) != 0.0 or any(part.op == "floor_divide" for part in rate.value.graph())


def evaluate(value: Value, counter: Value, moment: float, depth: int = 0) -> Number:
    if value is counter:
        return moment
    if depth > _DEEPEST:
        return None
    if value.kind is Kind.CONST:
        return float(value.const) if type(value.const) in (int, float) else None
    if value.alts:
        test = value.attrs.get("test")
        chosen = truth(test, counter, moment) if test is not None else None
        return (
            None if chosen is None else evaluate(value.alts[0 if chosen else 1], counter, moment, depth + 1)
        )
    given = [evaluate(part, counter, moment, depth + 1) for part in value.args]
    if value.op in _FUNCTIONS and len(given) == 1:
        return _apply(_FUNCTIONS[value.op], given)
    if value.op in _ARITHMETIC and len(given) == 2:
        return (
            _with_some(value.op, given[0], given[1])
            if SOME in given
            else _apply(_ARITHMETIC[value.op], given)
        )
    if value.op in _UNKNOWN and not any(part is counter for part in value.graph()):
        return SOME
    return None


def _apply(function: Callable[..., float], given: list[Number]) -> Number:
    if not all(isinstance(number, float) for number in given):
        return None
    try:
        return float(function(*given))
    except (ArithmeticError, ValueError, TypeError):
        return None


def _with_some(op: str, left: Number, right: Number) -> Number:
    """Arithmetic with a positive number that is not known."""
    if left is None or right is None:
        return None
    zero = left == 0 or right == 0
    if op in {"mul", "builtins.min"} and zero:
        return 0.0
    if op in {"div", "floor_divide", "pow"} and left == 0:
        return 0.0
    if op == "pow" and right == 0:
        return 1.0
    positive = all(number is SOME or (isinstance(number, float) and number > 0) for number in (left, right))
    if op in {"mul", "div", "pow", "add", "builtins.max", "builtins.min"} and (
        positive or (op == "add" and zero)
    ):
        return SOME
    return None


def truth(test: Value, counter: Value, moment: float) -> bool | None:
    """Whether a comparison holds at a moment."""
    if test.op == "and" and len(test.args) == 2:
        parts = [truth(part, counter, moment) for part in test.args]
        return False if False in parts else True if parts == [True, True] else None
    if test.op not in COMPARISONS or len(test.args) != 2:
        return None
    left, right = (evaluate(part, counter, moment) for part in test.args)
    if isinstance(left, float) and isinstance(right, float):
        return COMPARISONS[test.op](left, right)
    if left == 0 and right is SOME:
        return test.op in {"lt", "le", "ne"}
    return None


# -- growth ---------------------------------------------------------------------------------------------


def growing_power(rate: Rate) -> Value | None:
    """The power of the counter by which a rate grows: its base is above 1, or below 1 and a divisor."""
    stack = [(rate.value, True)]
    seen: set[int] = set()
    while stack and len(seen) < 100:
        value, above = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value.op in {"mul", "div"} and len(value.args) == 2:
            stack += [(value.args[0], above), (value.args[1], above is (value.op == "mul"))]
        elif value.op == "pow" and len(value.args) == 2:
            base, power = value.args
            first, last = (evaluate(power, rate.counter, moment) for moment in (0.0, 1000.0))
            if type(base.const) in (int, float) and isinstance(first, float) and isinstance(last, float):
                rises = (base.const > 1) is (last > first)
                if base.const > 0 and base.const != 1 and last != first and rises is above:
                    return value
    return None


# -- branches that cannot be reached --------------------------------------------------------------------


def shut(frame: Frame) -> Frame | None:
    """The outer test that keeps a place from ever being reached: together the tests allow no number."""
    bounds: dict[int, tuple[float, float]] = {}
    tests = frame.tests()
    for test in reversed(tests):  # outermost first
        for left, op, limit in _bounds(test):
            low, high = bounds.get(left, (-math.inf, math.inf))
            if op in {"gt", "ge"}:
                low = max(low, limit)
            else:
                high = min(high, limit)
            bounds[left] = (low, high)
            if low > high or (low == high and not _touching(tests, left, low)):
                return next(
                    (other for other in reversed(tests) if any(b[0] == left for b in _bounds(other))), None
                )
    return None


_OPPOSITE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def _bounds(test: Frame) -> Iterator[tuple[int, str, float]]:
    """(what, comparison, number) for each bound that a test puts on a number."""
    value = test.value
    parts = [value] if value is not None else []
    if value is not None and value.op == "and" and test.branch:
        parts = value.args
    for part in parts:
        if part.op not in _OPPOSITE or len(part.args) != 2:
            continue
        left, right = part.args
        op = part.op
        if left.kind is Kind.CONST:
            left, right, op = right, left, _MIRRORED[op]
        if type(right.const) in (int, float) and left.kind is not Kind.TENSOR:
            yield id(left), op if test.branch else _OPPOSITE[op], float(right.const)


def _touching(tests: list[Frame], left: int, limit: float) -> bool:
    """Whether both bounds at one number include it."""
    ops = {op for test in tests for which, op, number in _bounds(test) if which == left and number == limit}
    return not ops & {"gt", "lt"}
