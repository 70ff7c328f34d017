"""See rules/unregistered-modules.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Insertion, Problem, Rule, Sighting
from nnlint.static.layers import built_here, contents, has_weights, init_of, modules_in
from nnlint.static.rewrite import mentions
from nnlint.static.values import Fact, Kind, Value
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# A class that overrides one of these looks after its own modules.
HAND_MADE = (
    "parameters",
    "named_parameters",
    "to",
    "_apply",
    "state_dict",
    "named_modules",
    "modules",
    "train",
)


# What nn.Module or nn.ModuleDict call something of their own, of the words that people use as keys.
OWN_NAMES = frozenset({
    "apply", "bfloat16", "buffers", "children", "clear", "compile", "cpu", "cuda", "double", "eval", "float",
    "forward", "half", "items", "keys", "modules", "parameters", "pop", "state_dict", "to", "train", "type",
    "training", "update", "values",
})  # fmt: skip


class UnregisteredModules(Rule):
    words = ("__init__",)
    names_what_is_built = True

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        handed_on = {id(value) for value in _handed_on(script)}
        for fact in script.facts:
            owner, held = fact.owner, fact.value
            if (
                fact.kind != "attribute"
                or owner is None
                or owner.kind is not Kind.MODULE
                or owner.cls is None
            ):
                continue
            if held.kind not in (Kind.SEQUENCE, Kind.MAPPING) or id(held) in handed_on or held.node is None:
                continue
            if owner.attrs.get(fact.name) is not held or owner.cls.assigned.get(fact.name, 0) > 1:
                continue
            if init_of(fact.frame) is None or any(owner.cls.method(name) for name in HAND_MADE):
                continue
            loose = [module for module in modules_in(held) if module.owner is None and built_here(module)]
            loose = [module for module in loose if has_weights(module) and id(module) not in handed_on]
            if not loose or _hidden_on_purpose(held) or _by_name(script, owner):
                continue
            if _chosen_from(owner, held) or _a_table(owner, fact):
                continue
            yield self.problem(
                fact.node,
                f"the layers in `self.{fact.name}` stand in a plain {_word(held)}, which "
                "nn.Module does not register: "
                f"they are neither trained by `parameters()`, nor moved by `.to()`, nor saved; "
                f"use nn.{'ModuleDict' if held.kind is Kind.MAPPING else 'ModuleList'}",
                related=tuple((m.node, "not registered") for m in loose[:1] if m.node is not None),
                fix=_wrapped(script, fact, loose[0]),
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        told: set[str] = set()
        for index in sorted(step.differentiated):
            node = step.nodes[index]
            # Used within a model that the script calls, and by no name of its parameters.
            if node.op == "parameter" and node.root < 0 and node.module and node.module not in told:
                told.add(node.module)
                yield Sighting(
                    node.place,
                    f"the weights of this `{node.module}` belong to no model that the script calls: it is "
                    "kept in a plain list, dict or tuple, which nn.Module does not register, so it is "
                    "neither trained by `parameters()`, nor moved by `.to()`, nor saved; use nn.ModuleList "
                    "or nn.ModuleDict",
                )


def _word(held: Value) -> str:
    return "dict" if held.kind is Kind.MAPPING else "tuple" if held.op == "tuple" else "list"


def _hidden_on_purpose(held: Value) -> bool:
    """`self.teacher = [Teacher()]`: the known way to keep a module out of `parameters()`."""
    return (
        isinstance(held.node, (cst.List, cst.Tuple)) and len(held.node.elements) == 1 and len(held.args) == 1
    )


def _a_table(owner: Value, fact: Fact) -> bool:
    """Whether a dict is read by key outside of `forward` only, as a table that the constructor picks from."""
    if fact.value.kind is not Kind.MAPPING or owner.cls is None:
        return False
    reads = {
        method.name
        for part in owner.cls.lineage()
        for method in part.methods.values()
        for node in descend(method.node.body)
        if isinstance(node, cst.Subscript)
        and isinstance(node.value, cst.Attribute)
        and node.value.attr.value == fact.name
    }
    forward = owner.cls.method("forward")
    return (
        bool(reads) and (forward is None or not mentions(forward.node, fact.name)) and "forward" not in reads
    )


def _by_name(script: ScriptModel, owner: Value) -> bool:
    """Whether the object sets attributes whose names the file does not write out, as
    `setattr(self, f"layer{i}", …)` does in a loop: that may register what the list holds."""
    for call in script.calls_of("builtins.setattr", ".__setattr__", "add_module", "register_module"):
        given = call.args if call.receiver is None else [call.receiver, *call.args]
        if len(given) == 3 and owner in given[0].alternatives() and given[1].kind is not Kind.CONST:
            return True
    return False


def _chosen_from(owner: Value, held: Value) -> bool:
    """`self.net = self.choices[name]`: what is used is registered as an attribute of its own."""
    return any(
        value is not held and any(part.op == "getitem" and held in part.args[:1] for part in value.graph())
        for value in owner.attrs.values()
    )


def _handed_on(script: ScriptModel) -> Iterator[Value]:
    """What a call that cannot be followed was given, and what is trained or moved by hand."""
    for call in script.calls:
        if call.op in {"parameters", "named_parameters", "module.to", "module.cuda", "state_dict"}:
            receiver = call.receiver
            yield from receiver.alternatives() if receiver is not None else ()
        elif not call.op.startswith(("list.", "builtins.len", "builtins.print", "module_call")):
            for arg in (*call.args, *call.kwargs.values()):
                if arg.kind in (Kind.SEQUENCE, Kind.MAPPING) and call.kind is Kind.UNKNOWN:
                    yield arg
                elif arg.op == "star":
                    yield from arg.args
        if call.op == "builtins.setattr" and len(call.args) == 3:
            yield from call.args[2].graph(lambda part: part.kind is Kind.MODULE)


def _fits(key: cst.SimpleString) -> bool:
    """Whether nn.ModuleDict takes it as a key: none with a dot, and none of its own attributes."""
    name = key.evaluated_value
    return isinstance(name, str) and "." not in name and name not in {"", *OWN_NAMES}


def _wrapped(script: ScriptModel, fact: Fact, layer: Value) -> Draft | None:
    """Wrap a list (or a dict with string keys) that is written out at the assignment."""
    node, function = fact.value.node, layer.node
    if (
        not isinstance(fact.node, cst.Assign)
        or fact.node.value is not node
        or not isinstance(function, cst.Call)
    ):
        return None
    if not isinstance(function.func, cst.Attribute) or not layer.op.startswith("torch.nn."):
        return None
    if any(item.kind is not Kind.MODULE for item in contents(fact.value)):
        return None
    if isinstance(node, cst.Dict):
        if not all(
            isinstance(e, cst.DictElement) and isinstance(e.key, cst.SimpleString) and _fits(e.key)
            for e in node.elements
        ):
            return None
    elif not isinstance(node, (cst.List, cst.ListComp)):
        return None
    name = "ModuleDict" if isinstance(node, cst.Dict) else "ModuleList"
    start = Insertion(node, f"{script.text(function.func.value)}.{name}(")
    return Draft(f"Register them with nn.{name}", (start, Insertion(node, ")", after=True)))
