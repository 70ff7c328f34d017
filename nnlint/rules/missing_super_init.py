"""See rules/missing-super-init.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Change, Draft, Insertion, Problem, Removal, Rule
from nnlint.static.rewrite import lines_of
from nnlint.static.scan import CALLED, ClassInfo, FunctionInfo
from nnlint.static.values import Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class MissingSuperInit(Rule):
    words = ("__init__",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        reported: set[int] = set()
        calls: dict[int, list[Value]] = {}  # by the objects that they may initialise
        for call in script.calls:
            for value in {id(value): value for value in _initialised(call)}.values():
                calls.setdefault(id(value), []).append(call)
        for fact in script.facts:
            owner = fact.owner
            if fact.kind != "attribute" or owner is None or owner.cls is None or id(owner.cls) in reported:
                continue
            if fact.value.kind not in (Kind.MODULE, Kind.PARAMETER) or not _known(owner.cls):
                continue
            if owner.kind is not Kind.MODULE or owner.op in ("join", "phi"):
                continue  # set on the class, or on this object or another
            if fact.value.op == "param" and CALLED not in owner.cls.uses.get(fact.name, ()):
                continue  # a module by its name only
            functions = fact.frame.functions()
            if (
                not functions
                or functions[0].name != "__init__"
                or not any(functions[0].cls is part for part in owner.cls.lineage())
            ):
                continue
            started = calls.get(id(owner), [])
            if any(call.time < fact.time for call in started):
                continue
            reported.add(id(owner.cls))
            yield self._problem(fact, functions[0], started[0] if started else None)

    def _problem(self, fact: Fact, init: FunctionInfo, late: Value | None) -> Problem:
        cls = init.cls.name if init.cls is not None else "the class"
        when = "before" if late is not None else "and never calls"
        return self.problem(
            fact.node,
            f"`{cls}.__init__` sets `{fact.name}` {when} `super().__init__()`: an nn.Module cannot register "
            f"modules or parameters until then; call `super().__init__()` first",
            related=((late.node, "too late"),) if late is not None and late.node is not None else (),
            fix=_moved(init, late) if late is not None else _inserted(init),
        )


def _known(cls: ClassInfo) -> bool:
    """Whether the whole ancestry is in sight, one base a class, and is an nn.Module."""
    if any(
        part.node.decorators or "__new__" in part.methods or len(part.bases) != 1 for part in cls.lineage()
    ):
        return False
    bases = cls.base_names()
    here = {f".{part.name}" for part in cls.lineage()}
    return all(
        base.startswith("torch.nn.") or base in here or base == "lightning.LightningModule" for base in bases
    )


def _initialised(call: Value) -> list[Value]:
    """The objects that a call of an `__init__` may be about."""
    called = call.receiver
    if not call.op.endswith("__init__"):
        if call.op != "call" or called is None:
            return []
        if called.function is None or called.function.name != "__init__":
            return []
        called = called.receiver
    return [*call.args, *([called] if called is not None else [])]


def _inserted(init: FunctionInfo) -> Draft | None:
    if init.cls is None or not _takes_nothing(init.cls):
        return None
    return _begun_with(init, "super().__init__()")


def _moved(init: FunctionInfo, late: Value) -> Draft | None:
    """The call that comes too late, where it is a line of the body and needs nothing that comes before it."""
    call = late.node
    line = next((line for line in lines_of(init.node) if getattr(line.body[0], "value", None) is call), None)
    if line is None or not isinstance(call, cst.Call):
        return None
    if any(not isinstance(arg.value, cst.Name) or arg.value.value != "self" for arg in call.args):
        return None
    return _begun_with(init, cst.Module([]).code_for_node(call), Removal(line))


def _begun_with(init: FunctionInfo, code: str, *changes: Change) -> Draft | None:
    """The call becomes the first statement, or the first after the docstring."""
    if not isinstance(init.node.body, cst.IndentedBlock):
        return None
    first = init.node.body.body[0]
    described = init.node.get_docstring() is not None
    if described and not any(line is first for line in lines_of(init.node)):
        return None  # what shares the docstring's line would still come before
    return Draft("Call super().__init__() first", (Insertion(first, code, described, line=True), *changes))


def _takes_nothing(cls: ClassInfo) -> bool:
    """Whether the base's `__init__` can be called without arguments."""
    *_, oldest = cls.lineage()
    for base in cls.lineage():
        if base is not cls and (init := base.methods.get("__init__")) is not None:
            return all(parameter.default or parameter.star for parameter in init.parameters[1:])
    return oldest.base_names() <= {"torch.nn.Module", "lightning.LightningModule"}
