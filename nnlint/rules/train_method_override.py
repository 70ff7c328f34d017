"""See rules/train-method-override.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.evaluation import differs_by_mode
from nnlint.static.layers import contents
from nnlint.static.state import roots
from nnlint.static.torch_api import CONTAINERS
from nnlint.static.values import Event, EventKind, Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import ClassInfo, FunctionInfo

# Names by which a method reaches the modules below it, or nn.Module's own method.
REACHES = frozenset({
    "children", "modules", "named_children", "named_modules", "apply", "Module", "train", "eval",
})  # fmt: skip
OTHER = {"train": "fit", "eval": "evaluate"}
SETTERS = frozenset({"__init__", "train", "eval", "set_training_mode", "train_mode"})


class TrainMethodOverride(Rule):
    words = ("def train", "def eval", ".training")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for cls in script.classes:
            for name in ("train", "eval"):
                method = cls.methods.get(name)
                if method is not None and cls.is_module and not cls.is_lightning:
                    yield from self._override(script, cls, method)
        for fact in script.facts:
            if fact.kind == "attribute" and fact.name == "training":
                yield from self._by_hand(script, fact)

    def _override(self, script: ScriptModel, cls: ClassInfo, method: FunctionInfo) -> Iterator[Problem]:
        """`train` or `eval` that does not switch the mode of what is below."""
        if (
            _switches(cls, method)
            or _does_nothing(method.node)
            or method.decorated("staticmethod", "property")
        ):
            return
        objects = [value for value in script.instances if value.cls is cls]
        if not any(differs_by_mode(value) is True for value in objects):
            return
        required = [part for part in method.parameters[1:] if part.default is None and not part.star]
        other_meaning = len(required) > 1 or any(not _is_mode(part.name) for part in required)
        yield self.problem(
            method.node.name,
            f"`{cls.name}.{method.name}` "
            + (
                f"replaces the switch of the mode by something else: nn.Module's `train()` and `eval()` need "
                f"it, so dropout and batch norm inside stay in one mode; rename it to `{OTHER[method.name]}`"
                if other_meaning
                else f"does not call the one of nn.Module, so dropout and batch norm inside never change "
                f"their mode; call `super().{method.name}({'mode' if method.name == 'train' else ''})`"
            ),
        )

    def _by_hand(self, script: ScriptModel, fact: Fact) -> Iterator[Problem]:
        """`self.training = False`: the flag of one module, not of those inside."""
        owner = fact.owner
        functions = fact.frame.functions()[:1]
        if owner is None or owner.kind is not Kind.MODULE or owner.op in {"submodule", "module_item"}:
            return
        if any(info.name in SETTERS for info in functions):
            return
        here = [
            event
            for event in script.events_of(EventKind.EVAL, EventKind.TRAIN)
            if event.frame.functions()[:1] == functions
        ]
        restored = _restores(script, fact, owner, here)
        switched = bool(here) and not _undoes_training(script, fact, owner)
        if not restored and (switched or fact.value.is_const(True) or not _children_differ(owner)):
            return
        name = script.name_of(owner, "the module")
        mode = script.text(fact.node.value, 30) if isinstance(fact.node, cst.Assign) else "…"
        why = (
            f"`eval()` has switched every module inside `{name}`, and this switches back the outermost only"
            if restored
            else f"this sets the flag of `{name}` alone, and dropout and batch norm inside it keep their mode"
        )
        # Without an `eval()` nearby, those inside may be switched where the file does not show it.
        severity = None if restored else Severity.WARNING
        yield self.problem(fact.node, f"{why}; use `{name}.train({mode})`", severity=severity)


def _switches(cls: ClassInfo, method: FunctionInfo) -> bool:
    """Whether it calls nn.Module's own method, or hands the mode down itself."""
    if "super" in method.uses or any(uses & REACHES for uses in method.uses.values()):
        return True
    return any(cls.uses.get(name, set()) & {"train", "eval"} for name in method.uses.get("self", ()))


def _does_nothing(node: cst.FunctionDef) -> bool:
    """`return self`: a module that is kept in its mode on purpose."""
    lines = [line for line in node.body.body if isinstance(line, cst.SimpleStatementLine)]
    small = [part for line in lines for part in line.body]
    idle = all(isinstance(part, (cst.Pass, cst.Return, cst.Raise, cst.Expr)) for part in small)
    return idle and len(lines) == len(node.body.body)


def _is_mode(name: str) -> bool:
    return any(word in name.lower() for word in ("mode", "train", "flag", "on"))


def _children_differ(owner: Value) -> bool:
    """Whether a module inside surely behaves differently in the two modes."""
    for root in roots(owner):
        inner = (
            contents(root)
            if root.op in CONTAINERS
            else [part for part in root.attrs.values() if part is not root]
        )
        if any(part.kind is Kind.MODULE and differs_by_mode(part) is True for part in inner):
            return True
    return False


def _undoes_training(script: ScriptModel, fact: Fact, owner: Value) -> bool:
    """Whether the flag is set to False while the modules inside train, and no `eval()` follows."""
    modes = [
        event
        for event in script.events_of(EventKind.EVAL, EventKind.TRAIN)
        if script.same(event.target, owner)
    ]
    before = [event for event in modes if event.time < fact.time]
    after = [event for event in modes if event.time > fact.time]
    return (
        fact.value.is_const(False)
        and bool(before)
        and before[-1].kind is EventKind.TRAIN
        and not (after and after[0].kind is EventKind.EVAL)
    )


def _restores(script: ScriptModel, fact: Fact, owner: Value, here: list[Event]) -> bool:
    """`was = model.training; model.eval(); …; model.training = was`."""
    value = fact.value
    if value.op != "training" or not value.args or not script.same(value.args[0], owner):
        return False
    before = [event for event in here if event.time < fact.time and script.same(event.target, owner)]
    return bool(before) and before[-1].kind is EventKind.EVAL
