"""Layers with weights in a recorded step: which feed which, and whose results are lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.graph.dropouts import dropped
from nnlint.graph.makers import PRODUCTS, is_weight, layer_behind
from nnlint.graph.nodes import Ref
from nnlint.graph.step import SAME_NUMBERS

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep


def _layers(step: GraphStep) -> Iterator[int]:
    """The products of torch's own layers, each within a model that the script calls."""
    for index, node in enumerate(step.nodes):
        if (
            step.operator(index) in PRODUCTS
            and node.root >= 0
            and node.module
            and node.grad
            and node.caller != "library"
            and any(is_weight(step, source) for source in step.sources(index))
        ):
            yield index


def linear_pairs(step: GraphStep) -> Iterator[tuple[int, int]]:
    """Two linear layers of one block, the second applied to nothing but the result of the first, and between
    them a width that is no bottleneck."""
    for index in _layers(step):
        given = _given(step, index)
        before = _alone_behind(step, given, index) if given is not None and _is_linear(step, index) else None
        if before is None or not _is_linear(step, before):
            continue
        first, second = step.nodes[before], step.nodes[index]
        same_block = first.module.rpartition(".")[0] == second.module.rpartition(".")[0]
        wide = first.shapes[0][-1] >= min(_width(step, before), second.shapes[0][-1])
        two = first.root == second.root and first.module != second.module
        if two and same_block and wide and ("addmm" in first.op or _has_bias(step, before)):
            yield before, index


def _is_linear(step: GraphStep, index: int) -> bool:
    """Whether it is `nn.Linear`: a product with the one matrix that its module owns."""
    if step.operator(index) not in ("addmm", "mm", "linear"):
        return False
    weights = [
        step.nodes[step.origin(source).node] for source in step.sources(index) if is_weight(step, source)
    ]
    return f"{step.nodes[index].module}.weight" in [weight.name for weight in weights]


def _given(step: GraphStep, index: int) -> Ref | None:
    given = [source for source in step.sources(index) if not is_weight(step, source)]
    return given[0] if len(given) == 1 else None


def _width(step: GraphStep, index: int) -> int:
    given = _given(step, index)
    return step.shape(given)[-1] if given is not None else 0


def _has_bias(step: GraphStep, index: int) -> bool:
    return any(
        step.operator(user) == "add" and layer_behind(step, Ref(user)) == index for user in step.users(index)
    )


def _alone_behind(step: GraphStep, ref: Ref, taker: int) -> int | None:
    """The product behind a value through views, dropout and a bias, if nothing else takes any of it."""
    shown = {output.ref.node for output in step.graph.outputs}
    takers = frozenset({taker})
    while ref.node not in shown and takers.issuperset(step.users(ref.node)):
        if step.operator(ref.node) in PRODUCTS:
            return ref.node
        kept = _passed_on(step, ref)
        if kept is None:
            return None
        # Dropout draws its noise in the shape of the value, and so takes it twice.
        takers = _between(step, kept.node, ref.node)
        ref = kept
    return None


def _between(step: GraphStep, first: int, last: int) -> frozenset[int]:
    """What stands behind one node and not behind `first`, from which nearly all of it comes."""
    found, waiting = {last}, [last]
    while waiting:
        more = {ref.node for ref in step.sources(waiting.pop())} - found - {first}
        found |= more
        waiting += more
    return frozenset(found)


def _passed_on(step: GraphStep, ref: Ref) -> Ref | None:
    """What a value is a view of, or that with a bias, or with dropout."""
    operator, sources = step.operator(ref.node), step.sources(ref.node)
    if operator in SAME_NUMBERS and operator != "detach" and sources:
        return sources[0]
    if operator == "add" and layer_behind(step, ref) is not None:
        return next(source for source in sources if not is_weight(step, source))
    return dropped(step, ref.node)


def lost_layers(step: GraphStep) -> Iterator[tuple[int, int | None]]:
    """Layers of which no result reaches a loss, what a model returns, or Python; one a line.

    With each, a layer on the same line that is applied to the same values and whose result is used.
    """
    if step.graph.unseen or not step.losses:
        return
    used = step.behind(*(output.ref.node for output in step.graph.outputs), *step.flow.escapes)
    by_layer: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for index in _layers(step):
        by_layer[step.nodes[index].root, step.nodes[index].module].append(index)
    told: set[object] = set()
    for calls in by_layer.values():
        place = step.nodes[calls[0]].place
        if place in told or any(call in used or _is_kept(step, call) for call in calls):
            continue
        told.add(place)
        yield calls[0], _beside(step, calls[0], used)


def _beside(step: GraphStep, index: int, used: frozenset[int]) -> int | None:
    given = _given(step, index)
    for other in _layers(step):
        if other in used and step.nodes[other].place == step.nodes[index].place and given is not None:
            theirs = _given(step, other)
            if theirs is not None and step.origin(theirs) == step.origin(given):
                return other
    return None


def _is_kept(step: GraphStep, index: int) -> bool:
    """Whether a result is written into something that outlives the step."""
    for later in step.ahead(index):
        parts = step.nodes[later].op.split(".")
        written = len(parts) > 1 and parts[1].endswith("_") and step.sources(later)
        if written and step.origin(step.sources(later)[0]).node in step.held:
            return True
    return False
