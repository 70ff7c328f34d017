"""See rules/discarded-forward-value.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.layers import contents, forward_of
from nnlint.static.local_names import LocalNames
from nnlint.static.scan import FunctionInfo
from nnlint.static.scores import is_network_call
from nnlint.static.torch_api import (
    BATCH_NORMS,
    CONTAINERS,
    FACTORIES,
    LOSSES,
    REARRANGE,
    module_operation,
)
from nnlint.static.values import Fact, Frame, Kind, Value
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# Operations that do nothing but give a new tensor.
PURE = (REARRANGE - {"t"}) | {
    "relu", "sigmoid", "tanh", "softmax", "log_softmax", "dropout", "gelu", "leaky_relu", "silu", "elu",
    "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "normalize", "interpolate", "contiguous", "clamp",
    "masked_fill", "detach",
}  # fmt: skip


class DiscardedForwardValue(Rule):
    words = ("forward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        names = cache(lambda function: LocalNames(function.node))
        seen: set[int] = set()
        for fact in script.facts:
            function = _home(fact.frame)
            if function is None or id(fact.node) in seen:
                continue
            problem = None
            if fact.kind == "expression":
                problem = self._dropped(script, fact)
            elif fact.kind == "name" and _plain(fact.node):
                local = partial(names, function)
                problem = self._same_input(script, fact, local) or self._replaced(script, fact, local)
            if problem is not None:
                seen.add(id(fact.node))
                yield problem

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.layers import lost_layers

        for index, beside in lost_layers(step):
            node = step.nodes[index]
            if beside is not None:
                yield Sighting(
                    node.place,
                    f"`{node.module}` and `{step.nodes[beside].module}` are applied to the same values, "
                    "and only what the last one gives is used: the others do nothing; give each layer the "
                    "result of the one before",
                )
            else:
                yield Sighting(
                    node.place,
                    f"what `{node.module}` gives here reaches neither the loss nor what the model returns, "
                    "so it is lost, and its weights are never trained; use it, or drop the layer",
                    severity=Severity.WARNING,
                )

    def _dropped(self, script: ScriptModel, fact: Fact) -> Problem | None:
        node = fact.node.value if isinstance(fact.node, cst.Expr) else None
        if not isinstance(node, cst.Call) or fact.value.node is not node or not _pure(fact.value, node):
            return None
        text = script.text(node)
        given = node.func.value if isinstance(node.func, cst.Attribute) else None
        if given is None or script.value_of(given) is not fact.value.input:
            given = node.args[0].value if node.args else None
        better = f"write `{given.value} = {text}`" if isinstance(given, cst.Name) else "use what it returns"
        return self.problem(
            fact.node,
            f"the result of `{text}` is thrown away, so the call does nothing; {better}",
        )

    def _same_input(self, script: ScriptModel, fact: Fact, local: Callable[[], LocalNames]) -> Problem | None:
        """`y = layer(x)` in a loop over layers, where nothing hands a turn's result on to the next."""
        loop = fact.frame.loop()
        if loop is None or not isinstance(loop.node, cst.For) or fact.frame is not loop or loop.value is None:
            return None
        applied = _applied(fact.value, loop, _turning(script, fact.node, loop))
        if applied is None or local().reads(fact.name, loop.node.body) or _leaves(loop.node):
            return None
        assert isinstance(fact.node, cst.Assign)
        calls = [node for node in descend(fact.node.value) if isinstance(node, cst.Call) and node.args]
        if not calls:
            return None
        call = next((node for node in calls if script.value_of(node) is applied), calls[-1])
        given = script.text(call.args[0].value, 30)
        return self.problem(
            fact.node,
            f"every turn applies its layer to the same `{given}`, and `{fact.name}` keeps only the last "
            f"result: the other layers do nothing; give each layer the result of the one before",
        )

    def _replaced(self, script: ScriptModel, fact: Fact, local: Callable[[], LocalNames]) -> Problem | None:
        value = fact.value
        assert isinstance(fact.node, cst.Assign)
        if value.kind is not Kind.TENSOR or not isinstance(fact.node.value, cst.Call) or not _computed(value):
            return None
        later = local().replaced(fact.node, fact.name)
        if later is None:
            return None
        return self.problem(
            fact.node,
            f"nothing reads this `{fact.name}` before `{script.text(later, 40)}` replaces it, so what is "
            f"computed here is lost",
            related=((later, "replaced here"),),
            severity=Severity.WARNING,  # it may be a leftover that is not missed
        )


def _plain(node: cst.CSTNode) -> bool:
    """Whether it is `name = …`; of several values that are unpacked some are not wanted."""
    return (
        isinstance(node, cst.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0].target, cst.Name)
    )


def _home(frame: Frame) -> FunctionInfo | None:
    """The method of a module that is being followed here, in or below its `forward`."""
    function = next(iter(frame.functions()), None)
    if function is None or function.cls is None or not function.cls.is_module:
        return None
    return function if forward_of(frame) is not None else None


def _pure(value: Value, node: cst.Call) -> bool:
    """Whether a call surely does nothing but give a result."""
    name = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
    if name.endswith("_") or "out" in value.kwargs or constant(value, "inplace", False) is not False:
        return False
    if any(isinstance(part, cst.Call) and _writes(part) for part in descend(node)):
        return False  # `x.copy_(y).view(3)` has written before it rearranges
    layer = value.receiver
    if layer is not None and layer.kind is Kind.MODULE:
        known = layer.op.startswith("torch.nn.") and layer.op not in BATCH_NORMS | CONTAINERS
        return known and value.op == module_operation(layer.op) and value.op not in LOSSES
    return value.kind is Kind.TENSOR and value.op in PURE


def _writes(call: cst.Call) -> bool:
    """Whether it is called as methods are that write into their tensor: `copy_`."""
    return (
        isinstance(call.func, cst.Attribute)
        and re.fullmatch(r"[a-z]\w*[a-z0-9]_", call.func.attr.value) is not None
    )


def _computed(value: Value) -> bool:
    """Whether a network's numbers, and not only their sizes, went into it."""
    return any(
        is_network_call(part)
        for part in value.graph(lambda item: item.op in FACTORIES or item.kind is Kind.SIZE)
    )


def _items(loop: Frame) -> list[Value]:
    """What a turn of the loop gets: the items of what is iterated, and the parts of each."""
    if loop.value is None:
        return []
    element = loop.value.element
    return [*contents(loop.value), *(element.args if element is not None else [])]


def _turning(script: ScriptModel, statement: cst.CSTNode, loop: Frame) -> set[int]:
    """The modules of which each turn takes another: iterated, or indexed by the turn's number."""
    items = _items(loop)
    for node in descend(statement):
        if not isinstance(node, cst.Subscript) or not isinstance(node.slice[0].slice, cst.Index):
            continue
        index, container = script.value_of(node.slice[0].slice.value), script.value_of(node.value)
        if container is not None and container.kind is Kind.MODULE and any(index is item for item in items):
            items = [*items, *contents(container)]
    return {id(part) for item in items for part in item.alternatives() if part.kind is Kind.MODULE}


def _applied(value: Value, loop: Frame, modules: set[int]) -> Value | None:
    """The call of the loop's own module inside `value`, where what goes in is the same in every turn."""
    changing = {id(item) for item in _items(loop) if item.kind is not Kind.MODULE}
    found: Value | None = None
    for part in value.graph():
        inputs = bool(part.args or part.alts or part.result)
        if id(part) in changing or (part.time > loop.start and not inputs and part.kind is not Kind.CONST):
            return None
        if part.op == "phi" and any(other.time > loop.start for other in part.alts):
            return None
        receiver = part.receiver
        if receiver is None or receiver.kind is not Kind.MODULE or not part.args:
            continue
        if {id(module) for module in receiver.alternatives()} <= modules:
            found = part
    return found


def _leaves(loop: cst.For) -> bool:
    return any(isinstance(node, (cst.Break, cst.Return, cst.Yield, cst.Try)) for node in descend(loop.body))
