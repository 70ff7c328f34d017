"""Which networks the gradients of a loss reach: surely, or at most."""

from __future__ import annotations

from collections.abc import Iterable

from nnlint.static.gradients import CUTS, HANDS_ON, OPAQUE, SOURCELESS
from nnlint.static.layers import built_here
from nnlint.static.scores import is_label
from nnlint.static.state import roots
from nnlint.static.torch_api import TO_PYTHON
from nnlint.static.updates import owners, trained
from nnlint.static.values import Kind, Value

# Unknown in what they compute, but known to hold no network: the data.
DATA = frozenset({"batch", "batch_item", "element", "index", "item_of"})
DEEPEST = 6


def held(optimizer: Value) -> list[Value]:
    """The networks that an optimizer steps, where the file shows each of them being made; else none."""
    found = trained(optimizer)
    sure = bool(found) and all(part.kind is Kind.MODULE and built_here(part) for part in found)
    return list(found) if sure else []


def parts(modules: Iterable[Value]) -> set[int]:
    """ids of some modules and of everything inside them."""
    found: set[int] = set()
    stack = [(module, 0) for module in modules]
    while stack:
        module, depth = stack.pop()
        if id(module) in found or depth > DEEPEST:
            continue
        found.add(id(module))
        inner = (*module.attrs.values(), *module.args, *module.kwargs.values(), *module.alts)
        stack.extend((item, depth + 1) for item in inner if item.kind in (Kind.MODULE, Kind.PARAMETER))
    return found


def belongs(module: Value, inside: set[int]) -> bool:
    """Whether a called module is one of those (see `parts`), or is part of one."""
    return any(id(owner) in inside for root in roots(module) for owner in owners(root))


def called(value: Value) -> Value | None:
    """The module of which a value is the output."""
    module = value.receiver
    return module if module is not None and module.kind is Kind.MODULE else None


def may_reach(loss: Value, inside: set[int]) -> bool:
    """Whether a gradient of `loss` can get to some of these modules; what cannot be seen may lead there."""
    seen: set[int] = set()
    stack = [loss]
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value.kind is Kind.MODULE:
            if belongs(value, inside) or not all(built_here(root) for root in roots(value)):
                return True
            continue
        if value.kind is Kind.CONST or value.op in CUTS or value.op in SOURCELESS or value.op in TO_PYTHON:
            if "requires_grad" in value.kwargs:
                return True
            continue
        if value.alts:
            stack.extend(value.alts)
            continue
        if value.grad is False:
            continue
        module = called(value)
        if module is not None:
            made = roots(module)
            if belongs(module, inside) or parts(made) & inside or not all(map(built_here, made)):
                return True
            stack.extend(
                (*value.args, *value.kwargs.values(), *([value.result] if value.result is not None else []))
            )
        elif value.op in DATA or is_label(value):
            stack.extend(value.args[:1] if value.op == "item_of" else ())
        elif value.kind is Kind.SEQUENCE or value.kind is Kind.MAPPING:
            stack.extend(value.made_from())
            if value.element is not None:
                stack.append(value.element)
        elif value.op in OPAQUE or ("." in value.op and value.op not in HANDS_ON) or not value.args:
            if value.kind is not Kind.NUMBER:
                return True
        else:
            stack.extend((*value.args, *value.kwargs.values()))
    return False


def surely_reaches(loss: Value, inside: set[int]) -> bool:
    """Whether a gradient of `loss` certainly gets to some of these modules."""
    return _way(loss, set(), inside, loss) is not None


def through(loss: Value, behind: set[int], into: set[int]) -> tuple[Value, Value] | None:
    """Where the gradient of `loss` surely runs back through a module of `behind` and on into one of `into`:
    the output of the former that is nearest to the latter, and the output of the latter."""
    return _way(loss, behind, into, None)


def _way(loss: Value, behind: set[int], into: set[int], start: Value | None) -> tuple[Value, Value] | None:
    seen: set[tuple[int, int]] = set()
    stack: list[tuple[Value, Value | None]] = [(loss, start)]
    while stack:
        value, last = stack.pop()
        key = (id(value), id(last))
        if key in seen or value.kind is Kind.CONST or value.op in CUTS or value.op in SOURCELESS:
            continue
        seen.add(key)
        if value.alts:
            ways = value.alternatives()
            if value.op == "phi" or all(_open(way) for way in ways):
                stack.extend((way, last) for way in ways)
            continue
        if value.grad is not True:
            continue
        module = called(value)
        if module is not None:
            if last is not None and belongs(module, into):
                return last, value
            now = value if belongs(module, behind) and not _within(module, last) else last
            if value.result is not None:
                stack.append((value.result, now))
            elif value.kind is Kind.SEQUENCE and all(called(arg) is module for arg in value.args):
                stack.extend((arg, last) for arg in value.args)
            else:
                stack.extend((arg, now) for arg in value.args)
        elif value.kind is Kind.SEQUENCE or (
            value.kind is Kind.TENSOR
            and value.op not in OPAQUE
            and ("." not in value.op or value.op in HANDS_ON)
        ):
            stack.extend((arg, last) for arg in value.args)
    return None


def _within(module: Value, last: Value | None) -> bool:
    """Whether a module is a part of the one that was passed last."""
    outer = called(last) if last is not None else None
    return outer is not None and any(
        part is root
        for inner in roots(module)
        for part in owners(inner)
        for root in roots(outer)
        if part is not inner
    )


def _open(value: Value) -> bool:
    """Whether an alternative lets a gradient through, or can have none to let through."""
    return value.op not in CUTS and value.grad is True and value.kind is not Kind.UNKNOWN
