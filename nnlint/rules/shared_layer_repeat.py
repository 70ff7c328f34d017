"""See rules/shared-layer-repeat.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Problem, Replacement, Rule, Sighting
from nnlint.static.layers import has_weights
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

CONTAINERS = ("torch.nn.ModuleList", "torch.nn.Sequential")


class SharedLayerRepeat(Rule):
    words = ("torch",)
    names_what_is_built = True

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for container in script.calls_of(*CONTAINERS):
            if isinstance(container.node, cst.Call):
                for argument in container.node.args:
                    held = script.value_of(argument.value)
                    if held is not None:
                        yield from self._repeated(script, held)
        for fact in script.facts:
            if fact.kind in {"attribute", "name"} and fact.owner is not None:
                yield from self._repeated(script, fact.value)

    def _repeated(self, script: ScriptModel, held: Value) -> Iterator[Problem]:
        if held.kind is not Kind.SEQUENCE or held.node is None or not held.args:
            return
        layer = held.args[0]
        if layer.kind is not Kind.MODULE or not has_weights(layer):
            return
        if held.op == "repeat" and len(held.args) == 1 and not held.kwargs["times"].is_const(0, 1):
            times = script.text(_times(held.node), 20) or "n"
        elif held.op == "comprehension" and _made_outside(held, layer):
            times = "n"
        else:
            return
        yield self.problem(
            held.node,
            f"all {times} entries are one and the same `{_name(layer)}`: the layers share "
            "their weights, so the "
            f"network is no larger than with one of them; build a new one for each entry",
            related=((layer.node, "the one layer"),)
            if layer.node is not None and layer.node is not held.node
            else (),
            fix=_comprehension(script, held, layer),
        )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        for number, root in enumerate(step.graph.roots):
            for path in root.repeated:
                inside = f"{path}.0" if path else "0"
                used = [
                    node
                    for node in step.nodes
                    if node.root == number
                    and node.op.startswith("aten.")
                    and (node.module == inside or node.module.startswith(f"{inside}."))
                ]
                if used and used[0].caller != "library":
                    yield Sighting(
                        used[0].place,
                        f"all entries of `{path or root.class_name}` are one and the same module: they share "
                        "their weights, so the network is no larger than with one of them; build a new one "
                        "for each entry",
                    )


def _name(layer: Value) -> str:
    return layer.name or layer.op.rpartition(".")[2]


def _times(node: cst.CSTNode) -> cst.CSTNode | None:
    if not isinstance(node, cst.BinaryOperation):
        return None
    return node.left if isinstance(node.right, cst.List) else node.right


def _made_outside(held: Value, layer: Value) -> bool:
    """`[layer for _ in range(n)]`, with `layer` made before."""
    node, source = held.node, held.receiver
    if not isinstance(node, (cst.ListComp, cst.GeneratorExp)) or source is None or source.op != "range":
        return False
    return isinstance(node.elt, cst.Name) and isinstance(layer.node, cst.Call) and layer.time < held.time


def _comprehension(script: ScriptModel, held: Value, layer: Value) -> Draft | None:
    """`[nn.Linear(8, 8)] * n` -> `[nn.Linear(8, 8) for _ in range(n)]`."""
    node = held.node
    if not isinstance(node, cst.BinaryOperation):
        return None
    items, times = (node.left, node.right) if isinstance(node.left, cst.List) else (node.right, node.left)
    if not isinstance(items, cst.List) or len(items.elements) != 1:
        return None
    if items.elements[0].value is not layer.node:
        return None
    code = script.code
    text = f"[{code(items.elements[0].value)} for _ in range({code(times)})]"
    return Draft("Build one layer for each entry", (Replacement(node, text),))
