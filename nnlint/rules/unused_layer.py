"""See rules/unused-layer.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.layers import built_here, has_weights
from nnlint.static.torch_api import CONTAINERS, DROPOUTS
from nnlint.static.values import Fact, Frame, Kind, Value
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import ClassInfo

# Ways to reach layers without naming them.
UNNAMED = frozenset({
    "children", "named_children", "_modules", "__dict__", "get_submodule", "__getattr__", "__getattribute__",
})  # fmt: skip


class UnusedLayer(Rule):
    words = ("forward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        yield from self._bound_twice(script)
        used = _used(script)
        layers = [fact for fact in script.facts if _is_layer(fact)]
        in_use = {fact.name for fact in layers if _in_use(fact.value, used)}
        found = [fact for fact in layers if fact.name not in in_use]
        if not found:
            return
        reads = script.reads
        if reads.read & UNNAMED or reads.called & {"getattr", "vars", "locals"}:
            return
        for fact in {id(fact.node): fact for fact in found}.values():
            if reads.mentions(fact.name) or fact.owner is None or fact.owner.cls is None:
                continue
            if re.search(rf"#.*\.{re.escape(fact.name)}\b", script.source.text):
                continue  # switched off on purpose
            if re.search(
                rf"#.*\b(?i:unused|not used)\b.*\n\s*self\.{re.escape(fact.name)}\b", script.source.text
            ):
                continue  # its author knows
            what = "never applied" if fact.value.op in DROPOUTS else "never called and never trained"
            yield self.problem(
                fact.node,
                f"`{fact.owner.cls.name}` builds `{fact.name}`, but nothing in this file uses it, so it is "
                f"{what}; use it in `forward`, or leave it out",
            )

    def _bound_twice(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for loop in script.loops:
            if not isinstance(loop.node, cst.For) or id(loop.node) in seen or not _in_module(loop):
                continue
            seen.add(id(loop.node))
            target = loop.node.target
            names = [part.value for part in descend(target, _is_pattern) if isinstance(part, cst.Name)]
            for name in sorted({name for name in names if names.count(name) > 1 and name.strip("_")}):
                yield self.problem(
                    target,
                    f"`{name}` stands twice in this loop's target: the second value replaces the first, "
                    f"which nothing can use; give it a name of its own",
                )


def _used(script: ScriptModel) -> set[int]:
    """What some call is made on, or is given."""
    found: set[int] = set()
    for call in script.calls:
        for value in (call.receiver, *call.args):
            if value is not None and value.kind is Kind.MODULE:
                found.update(id(part) for part in value.alternatives())
    return found


def _in_use(layer: Value, used: set[int]) -> bool:
    """Whether it is used, or registers layers that are: `self._all = nn.ModuleList(self.heads)`."""
    inside = [*layer.args, layer.element] if layer.op in CONTAINERS else []
    return id(layer) in used or any(
        id(part) in used for item in inside if item is not None for part in item.alternatives()
    )


def _is_layer(fact: Fact) -> bool:
    """A layer that `__init__` builds and keeps, in a class that has all of its methods in this file."""
    owner, value = fact.owner, fact.value
    if fact.kind != "attribute" or owner is None or owner.kind is not Kind.MODULE or owner.cls is None:
        return False
    functions = fact.frame.functions()
    if not functions or functions[0].name != "__init__" or functions[0].cls is not owner.cls:
        return False
    if "forward" not in owner.cls.methods or not owner.cls.fully_seen() or _abstract(owner.cls):
        return False
    return built_here(value) and (value.op in DROPOUTS or has_weights(value))


def _abstract(cls: ClassInfo) -> bool:
    """Whether `forward` is left to subclasses: it only raises, or does nothing."""
    body = cls.methods["forward"].node.body.body
    last = body[-1] if body else None
    if not isinstance(last, cst.SimpleStatementLine):
        return False
    only = isinstance(last.body[0], cst.Pass) or (
        isinstance(last.body[0], cst.Expr) and not isinstance(last.body[0].value, cst.Call) and len(body) == 1
    )
    return only or isinstance(last.body[0], cst.Raise)


def _in_module(frame: Frame) -> bool:
    return any(function.cls is not None and function.cls.is_module for function in frame.functions())


def _is_pattern(node: cst.CSTNode) -> bool:
    return isinstance(node, (cst.Tuple, cst.List, cst.Element))
