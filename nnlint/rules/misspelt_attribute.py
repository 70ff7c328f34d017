"""See rules/misspelt-attribute.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Applicability, Severity
from nnlint.rule import Draft, Problem, Replacement, Rule
from nnlint.static.layers import PRETRAINED
from nnlint.static.torch_api import FACTORIES, RELABEL
from nnlint.static.values import Fact, Kind, Value
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Attribute -> how far from it a name may be.
LAYER_ATTRIBUTES = {"requires_grad": 2, "training": 1, "weight": 1, "bias": 1}
OTHER_WORDS = frozenset({"require_gradient", "requires_gradient", "require_gradients", "requires_gradients"})
# The parts of torchvision's models that are modules.
PARTS = frozenset({
    "fc", "classifier", "features", "head", "heads", "backbone", "encoder", "conv1", "bn1", "layer1",
    "layer2", "layer3", "layer4", "avgpool", "AuxLogits",
})  # fmt: skip


class MisspeltAttribute(Rule):
    words = (".req", ".Req", ".tra", ".wei", ".wi", ".bi", ".ba", ".weg")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        found: dict[int, tuple[Fact, str]] = {}
        for fact in script.facts:
            meant = _meant(fact) if fact.kind == "attribute" else None
            if meant is not None:
                found.setdefault(id(fact.node), (fact, meant))
        if not found:
            return
        reads = script.reads
        for fact, meant in found.values():
            target = _target(fact)
            if target is None:
                continue
            place = script.text(target.value)
            if place == "self" and fact.name == "requires_grad":
                continue  # an option that the class keeps
            if fact.name != meant and reads.mentions(fact.name):
                continue
            if meant == "requires_grad" and all(_is_module(part) for part in _owners(fact)):
                yield self._on_module(script, fact, place)
            else:
                yield self.problem(
                    fact.node,
                    f"nothing reads `{fact.name}`: this sets a new attribute on `{place}` and leaves "
                    f"`{meant}` as it was; write `{place}.{meant}`",
                    fix=Draft(f"Write `{meant}`", (Replacement(target.attr, meant),)),
                    severity=Severity.WARNING if _idle(fact) else None,
                )

    def _on_module(self, script: ScriptModel, fact: Fact, place: str) -> Problem:
        value = fact.node.value if isinstance(fact.node, cst.Assign) and len(fact.node.targets) == 1 else None
        call = f"{place}.requires_grad_({script.text(value) if value is not None else 'False'})"
        return self.problem(
            fact.node,
            f"`{place}` is a module, which has no `{fact.name}`: this sets a new attribute and leaves its "
            f"parameters as they were; write `{call}`",
            fix=Draft(f"Write `{call}`", (Replacement(fact.node, call),), Applicability.UNSAFE)
            if value
            else None,
        )


def _meant(fact: Fact) -> str | None:
    """The attribute that must have been meant, if every object that it is set on says so."""
    owners = _owners(fact)
    if not owners:
        return None
    if fact.name == "requires_grad":
        return fact.name if all(_is_module(part) for part in owners) else None
    for attribute, distance in LAYER_ATTRIBUTES.items():
        if all(_has(part, attribute) for part in owners) and _near(fact.name, attribute, distance):
            return attribute
    return None


def _owners(fact: Fact) -> list[Value]:
    found = fact.owner.alternatives() if fact.owner is not None else []
    return [part for part in found if not part.is_const(None)]


def _has(owner: Value, attribute: str) -> bool:
    """Whether the object has the attribute that is meant, and no reason for one of the other name."""
    if attribute == "requires_grad":
        tensor = owner.const in {"weight", "bias"} or owner.op in {"clone", "detach", "variable"}
        return tensor or owner.kind in (Kind.PARAMETER, Kind.TENSOR) or _is_module(owner)
    if attribute == "training":
        return _is_module(owner) and owner.cls is None
    return owner.op.startswith("torch.nn.") and owner.kind is Kind.MODULE


def _is_module(owner: Value) -> bool:
    """Whether it is a module for sure, and its class gives `requires_grad` no meaning of its own."""
    if owner.cls is not None:
        methods = [method for cls in owner.cls.lineage() for method in cls.methods.values()]
        read = any("requires_grad" in {m.name, *m.uses.get("self", ())} for m in methods)
        return owner.kind is Kind.MODULE and owner.cls.fully_seen() and not read
    if owner.op == "getattr" and owner.args and owner.args[0].op.startswith(PRETRAINED):
        return owner.const in PARTS
    known = owner.op.startswith(("torch.nn.", "transformers.", *PRETRAINED)) or owner.op in {
        "submodule",
        "module_item",
    }
    return owner.kind is Kind.MODULE and known


def _idle(fact: Fact) -> bool:
    """Whether it asks for what is so anyway: a new tensor needs no gradient, a new Parameter has one."""
    for owner in _owners(fact):
        made = all(part.op in FACTORIES for part in owner.sources(RELABEL))
        idle = made and owner.kind is Kind.TENSOR and fact.value.is_const(False)
        if not idle and not (owner.op == "torch.nn.Parameter" and fact.value.is_const(True)):
            return False
    return True


def _target(fact: Fact) -> cst.Attribute | None:
    """The written attribute in the statement."""
    targets = [t.target for t in fact.node.targets] if isinstance(fact.node, cst.Assign) else [fact.node]
    return next(
        (
            node
            for target in targets
            for node in descend(target)
            if isinstance(node, cst.Attribute) and node.attr.value == fact.name
        ),
        None,
    )


def _near(name: str, attribute: str, distance: int) -> bool:
    if name == attribute or abs(len(name) - len(attribute)) > distance:
        return name in OTHER_WORDS and attribute == "requires_grad"
    return _distance(name.lower(), attribute) <= distance


def _distance(first: str, second: str) -> int:
    """How many letters must be added, dropped, changed or swapped with the next."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        previous, before, row = before, row, [i]
        for j, other in enumerate(second, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
    return row[-1]
