"""See rules/layer-in-forward.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.layers import NORMS, built_here, contents, forward_of, has_weights
from nnlint.static.values import Frame, Kind

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# Whoever touches these gives the layer weights of his own.
OWN_WEIGHTS = frozenset({"weight", "bias", "data", "weight_ih_l0", "weight_hh_l0"})
HANDLED = frozenset(
    {"load_state_dict", "module.load_state_dict", "module.requires_grad_", "parameters", "named_parameters"}
)


class LayerInForward(Rule):
    words = ("forward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        kept = _kept(script)
        handled = {
            id(call.receiver) for call in script.calls if call.op in HANDLED or call.op == "module.apply"
        }
        called = {
            id(part)
            for call in script.calls
            if call.receiver is not None
            for part in call.receiver.alternatives()
        }
        for layer in script.calls:
            if (
                layer.kind is not Kind.MODULE
                or layer.frame is None
                or layer.node is None
                or not built_here(layer)
            ):
                continue
            forward = forward_of(layer.frame)
            if (
                forward is None
                or not has_weights(layer)
                or layer.attrs.keys() & OWN_WEIGHTS
                or id(layer) in handled
            ):
                continue
            stored = kept.get(id(layer))
            if stored is not None and _guarded(stored, layer.frame):
                continue
            if any(
                made.frame is not None and forward_of(made.frame) is forward for made in script.optimizers
            ):
                continue  # trained right here
            if (stored is None and id(layer) not in called) or _cached(layer.frame):
                continue
            cls = forward.cls.name if forward.cls is not None else ""
            short = layer.op.rpartition(".")[2]
            what = "its scale and shift are new" if NORMS.match(layer.op) else "it has fresh random weights"
            yield self.problem(
                layer.node,
                f"`{short}` is built inside `{cls}.forward`: {what} at every call and no optimizer ever "
                f"trains it; build it in `__init__` and call it here",
            )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        told: set[object] = set()
        for index in sorted(step.differentiated):
            node = step.nodes[index]
            # Memory for weights, which ask for gradients, taken while a module was running.
            if _is_memory(step, index) and (node.root >= 0 or node.module) and node.shapes[0]:
                if node.place in told or not step.graph.roots:
                    continue
                told.add(node.place)
                cls = step.graph.roots[max(node.root, 0)].class_name
                yield Sighting(
                    node.place,
                    f"a layer with a weight of shape {list(node.shapes[0])} is built while `{cls}` "
                    "computes its output: it has fresh weights at every call and no optimizer ever trains "
                    "it; build it in `__init__` and call it here",
                )


def _is_memory(step: GraphStep, index: int) -> bool:
    """Whether it is fresh memory, or such memory when something that is no operator has filled it."""
    node = step.nodes[index]
    if step.operator(index) != "unseen" or step.sources(index):
        return step.operator(index) == "empty"
    return any(
        step.operator(other) == "empty" and (taken.place, taken.shapes) == (node.place, node.shapes)
        for other, taken in enumerate(step.nodes[:index])
    )


def _kept(script: ScriptModel) -> dict[int, Frame]:
    """Layers that are put on an object, and where."""
    put = [fact for fact in script.facts if fact.kind in {"attribute", "subscript"}]
    return {id(part): fact.frame for fact in put for part in (*contents(fact.value), fact.value)} | {
        id(call.args[-1]): call.frame
        for call in script.calls
        if call.op in {"register_module", "add_module", "builtins.setattr"}
        and call.args
        and call.frame is not None
    }


def _cached(frame: Frame) -> bool:
    """Built in a decorated helper, which may keep what it returns."""
    return any(function.node.decorators for function in frame.functions() if function.name != "forward")


def _guarded(stored: Frame, built: Frame) -> bool:
    """Kept for the next call, under a test or in a `try`: built only once."""
    return any(frame.kind in {"if", "try"} for place in (stored, built) for frame in _inside_forward(place))


def _inside_forward(frame: Frame) -> Iterator[Frame]:
    """What stands around, up to `forward` itself: who calls it, and under which test, is another matter."""
    for around in frame.chain():
        yield around
        if around.function is not None and around.function.name == "forward":
            return
