"""Where a script keeps the best of something: `if new < best: best = new`, `best = min(best, new)`,
saving."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import libcst as cst

from nnlint.static.functions import dotted
from nnlint.static.metrics import Better
from nnlint.static.values import EventKind, Fact, Frame, Kind, Value
from nnlint.static.walk import same_code

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# One side of a comparison: as it is written, and what it is.
_Side: TypeAlias = "tuple[cst.BaseExpression, Value]"

KEEPS = {"lt": Better.LOWER, "le": Better.LOWER, "gt": Better.HIGHER, "ge": Better.HIGHER}
EXTREMES = {
    "builtins.min": Better.LOWER, "builtins.max": Better.HIGHER, "min": Better.LOWER, "max": Better.HIGHER,
    "numpy.minimum": Better.LOWER, "numpy.maximum": Better.HIGHER,
    "numpy.min": Better.LOWER, "numpy.max": Better.HIGHER,
    "numpy.argmin": Better.LOWER, "numpy.argmax": Better.HIGHER,
}  # fmt: skip
WEIGHTS = frozenset({EventKind.STATE_DICT, EventKind.SAVE})


@dataclass(eq=False)
class Selection:
    """One place where a new figure replaces the best so far.

    `keeps`: which one of the two survives. `margin`: what is added to the best (or taken from it) first.
    """

    node: cst.CSTNode
    name: str  # of the figure, in the user's words
    new: Value
    best_name: str
    best: Value | None
    keeps: Better
    frame: Frame
    margin: Value | None = None
    margin_sign: int = 0

    def initial(self) -> list[float]:
        """The constants that the best starts from, as far as the file shows them."""
        # Later the best is one of the figures, whose own making is another matter.
        own = {id(part) for part in self.new.alternatives()}
        parts = [part for part in self.best.alternatives() if id(part) not in own] if self.best else []
        return [number for part in parts if (number := _number(part)) is not None]


def _number(value: Value) -> float | None:
    """The number that a constant, `float("inf")` or `-float("inf")` is."""
    if value.op == "neg" and value.args:
        inner = _number(value.args[0])
        return -inner if inner is not None else None
    if value.op == "builtins.float" and value.args and isinstance(value.args[0].const, str):
        try:
            return float(value.args[0].const)
        except ValueError:
            return None
    known = (
        value.kind is Kind.CONST
        and isinstance(value.const, (int, float))
        and not isinstance(value.const, bool)
    )
    return float(value.const) if known else None


def selections(script: ScriptModel) -> Iterator[Selection]:
    """Every place in the file that keeps the best of something."""
    for fact in script.facts:
        if fact.kind not in {"name", "attribute"}:
            continue
        yield from _under_test(script, fact)
        yield from _extreme(script, fact)
    yield from _flags(script)
    yield from _of_lists(script)


# -- if new < best: best = new ----------------------------------------------------------------------


def _under_test(script: ScriptModel, fact: Fact) -> Iterator[Selection]:
    for frame in fact.frame.tests(until=_function(fact.frame)):
        if frame.value is None or not isinstance(frame.node, (cst.If, cst.IfExp)):
            continue
        for test in comparisons(frame.value):
            for node, kept, (new_node, new), keeps in _readings(test):
                best_node, best, margin, sign = _without_margin(*kept)
                if (
                    _last(best_node) != fact.name
                    or not _same_place(best_node, fact)
                    or not _is_figure(new_node, new, fact)
                ):
                    continue
                yield Selection(
                    node=node,
                    name=script.text(new_node),
                    new=new,
                    best_name=script.text(best_node),
                    best=best,
                    # The other branch of `new > best` keeps the lower one.
                    keeps=keeps.opposite if frame.branch is False else keeps,
                    frame=frame,
                    margin=margin,
                    margin_sign=sign,
                )


def _readings(test: Value) -> Iterator[tuple[cst.Comparison, _Side, _Side, Better]]:
    """Both ways to read a comparison: what was kept so far, what is new, and what is kept where it holds."""
    node = test.node
    if not isinstance(node, cst.Comparison) or len(node.comparisons) != 1:
        return
    left, right = (node.left, test.args[0]), (node.comparisons[0].comparator, test.args[1])
    # `best > new` keeps the lower one.
    yield node, left, right, KEEPS[test.op].opposite
    yield node, right, left, KEEPS[test.op]


def comparisons(test: Value) -> Iterator[Value]:
    """The orderings that a test consists of."""
    if test.op in KEEPS and len(test.args) == 2:
        yield test
    elif test.op in {"and", "or"}:
        for part in test.args:
            yield from comparisons(part)


def _without_margin(
    node: cst.BaseExpression, value: Value
) -> tuple[cst.BaseExpression, Value, Value | None, int]:
    """`best - delta` is the best with a margin."""
    if isinstance(node, cst.BinaryOperation) and value.op in {"add", "sub"} and len(value.args) == 2:
        return node.left, value.args[0], value.args[1], 1 if value.op == "add" else -1
    return node, value, None, 0


def _is_figure(node: cst.BaseExpression, value: Value, fact: Fact) -> bool:
    """Whether what is assigned is the figure that was compared."""
    if value is fact.value or _plain(value) is _plain(fact.value):
        return value.kind is not Kind.CONST
    written = getattr(fact.node, "value", None)
    return isinstance(written, cst.BaseExpression) and same_code(_bare(written), _bare(node))


def _plain(value: Value) -> Value:
    for _ in range(6):
        if (
            value.op in {"item", "builtins.float", "detach", "cpu", "clone", "numpy", "copy.deepcopy"}
            and value.args
        ):
            value = value.args[0]
    return value


def _bare(node: cst.BaseExpression) -> cst.BaseExpression:
    """`x` of `x.item()` and `float(x)`."""
    if isinstance(node, cst.Call):
        if (
            isinstance(node.func, cst.Attribute)
            and not node.args
            and node.func.attr.value in {"item", "detach", "cpu"}
        ):
            return _bare(node.func.value)
        if isinstance(node.func, cst.Name) and node.func.value == "float" and len(node.args) == 1:
            return _bare(node.args[0].value)
    return node


def _last(node: cst.BaseExpression) -> str:
    return dotted(node).rpartition(".")[2]


def _same_place(node: cst.BaseExpression, fact: Fact) -> bool:
    return isinstance(node, cst.Attribute) is (fact.kind == "attribute")


def _function(frame: Frame) -> Frame | None:
    return next((part for part in frame.chain() if part.kind in {"function", "module"}), None)


# -- best = min(best, new) --------------------------------------------------------------------------


def _extreme(script: ScriptModel, fact: Fact) -> Iterator[Selection]:
    call, node = fact.value, getattr(fact.node, "value", None)
    if (
        call.op not in EXTREMES
        or not isinstance(node, cst.Call)
        or len(node.args) != 2
        or len(call.args) != 2
    ):
        return
    for position in (0, 1):
        best_node, new_node = node.args[position].value, node.args[1 - position].value
        if _last(best_node) == fact.name and _same_place(best_node, fact):
            yield Selection(
                node=node,
                name=script.text(new_node),
                new=call.args[1 - position],
                best_name=script.text(best_node),
                best=call.args[position],
                keeps=EXTREMES[call.op],
                frame=fact.frame,
            )


# -- is_best = new > best ---------------------------------------------------------------------------


def _flags(script: ScriptModel) -> Iterator[Selection]:
    """A comparison with something called best that is stored, returned or handed on."""
    for fact in script.facts:
        test = fact.value
        if fact.kind not in {"name", "attribute"} or "best" not in fact.name.lower() or test.op not in KEEPS:
            continue
        for node, kept, (new_node, new), keeps in _readings(test):
            best_node, best, margin, sign = _without_margin(*kept)
            if "best" in _last(best_node).lower() and "best" not in _last(new_node).lower():
                yield Selection(
                    node=node,
                    name=script.text(new_node),
                    new=new,
                    best_name=script.text(best_node),
                    best=best,
                    keeps=keeps,
                    frame=fact.frame,
                    margin=margin,
                    margin_sign=sign,
                )


# -- if new <= min(history) -------------------------------------------------------------------------


def _of_lists(script: ScriptModel) -> Iterator[Selection]:
    """A figure compared with the extreme of its own history, and weights saved where it wins."""
    for frame in script.branches:
        if frame.value is None or not _keeps_weights(script, frame):
            continue
        for test in comparisons(frame.value):
            for node, (history_node, extreme), (new_node, new), keeps in _readings(test):
                if extreme.op in EXTREMES and len(extreme.args) == 1 and new.kind is not Kind.CONST:
                    yield Selection(
                        node=node,
                        name=script.text(new_node),
                        new=new,
                        best_name=script.text(history_node),
                        best=None,
                        keeps=keeps,
                        frame=frame,
                    )


# -- a best that is never replaced ------------------------------------------------------------------


@dataclass(eq=False)
class Unmoved:
    """A test that keeps weights where `name` beats `best_name`, which nothing in the file sets again."""

    node: cst.Comparison
    name: str
    best_name: str
    start: float
    made: cst.CSTNode


def unmoved(script: ScriptModel) -> Iterator[Unmoved]:
    """Every place that saves what beats the best so far, and leaves the best as it was."""
    for frame in script.branches:
        loop = frame.parent.loop() if frame.parent is not None else None
        if loop is None or frame.value is None or not frame.branch or not _keeps_weights(script, frame):
            continue
        for test in comparisons(frame.value):
            for node, (best_node, best), (new_node, new), _ in _readings(test):
                name, start = _last(best_node), _number(best)
                if "best" not in name.lower() or start is None or new.kind is Kind.CONST:
                    continue
                made = {id(fact.node): fact for fact in script.facts if fact.name == name}
                written = re.findall(rf"\b{name}\b\s*(?:[-+*/:]?=(?!=)|,[^=\n]*=(?!=))", script.source.text)
                if len(made) == len(written) == 1:
                    fact = next(iter(made.values()))
                    if fact.kind in {"name", "attribute"} and fact.time < loop.start:
                        text = script.text(best_node)
                        yield Unmoved(node, script.text(new_node), text, start, fact.node)


def _keeps_weights(script: ScriptModel, frame: Frame) -> bool:
    return id(frame) in script.weight_places


def selects_weights(script: ScriptModel, found: Selection) -> bool:
    """Whether weights are kept or saved where the new figure wins."""
    return id(found.frame.node) in script.weight_places
