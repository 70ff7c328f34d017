"""See rules/missing-super-init.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Insertion, Problem, Rule
from nnlint.static.scan import ClassInfo, FunctionInfo
from nnlint.static.values import Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class MissingSuperInit(Rule):
    words = ("__init__",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        reported: set[int] = set()
        calls = [call for call in script.calls if call.op.endswith("__init__") or call.op == "call"]
        for fact in script.facts:
            owner = fact.owner
            if fact.kind != "attribute" or owner is None or owner.cls is None or id(owner.cls) in reported:
                continue
            if fact.value.kind not in (Kind.MODULE, Kind.PARAMETER) or not _known(owner.cls):
                continue
            functions = fact.frame.functions()
            if (
                not functions
                or functions[0].name != "__init__"
                or not any(functions[0].cls is part for part in owner.cls.lineage())
            ):
                continue
            started = [call for call in calls if _initialises(call, owner)]
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
            fix=None if late is not None else _inserted(init),
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


def _initialises(call: Value, owner: Value) -> bool:
    if call.op.endswith("__init__"):
        return call.receiver is owner or any(arg is owner for arg in call.args)
    function = call.receiver.function if call.receiver is not None else None
    if (
        call.op == "call"
        and function is not None
        and function.name == "__init__"
        and call.receiver is not None
    ):
        return call.receiver.receiver is owner or any(arg is owner for arg in call.args)
    return False


def _inserted(init: FunctionInfo) -> Draft | None:
    if not isinstance(init.node.body, cst.IndentedBlock):
        return None
    first: cst.CSTNode = init.node.body.body[0]
    if isinstance(first, cst.SimpleStatementLine) and isinstance(first.body[0], cst.Expr):
        value = first.body[0].value
        if isinstance(value, (cst.SimpleString, cst.ConcatenatedString)):
            return Draft(
                "Call super().__init__() first",
                (Insertion(first, "super().__init__()", after=True, line=True),),
            )
    return Draft("Call super().__init__() first", (Insertion(first, "super().__init__()", line=True),))
