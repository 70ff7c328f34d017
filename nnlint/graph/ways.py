"""The ways on which gradients flow back from a loss, and where they are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnlint.graph.nodes import Ref
    from nnlint.graph.step import GraphStep

# Autograd records them, and their gradient is zero everywhere.
FLAT = frozenset({"round", "floor", "ceil", "trunc", "sign", "heaviside"})


def cuts(step: GraphStep, loss: Ref) -> list[int]:
    """The operations at which every way from a loss to a parameter ends; none where a way is open.

    What was not recorded counts as open, and so does an input that asks for a gradient.
    """
    flowing: set[int] = set()
    waiting = [loss.node] if step.nodes[loss.node].grad else []
    while waiting:
        index = waiting.pop()
        node = step.nodes[index]
        if index in flowing or not node.grad or step.operator(index) in FLAT:
            continue
        flowing.add(index)
        if node.op in ("parameter", "input", "unseen"):
            return []
        waiting += [source.node for source in step.sources(index)]
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [loss.node]
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        given = [source.node for source in step.sources(index)]
        flat = step.operator(index) in FLAT and step.nodes[index].grad
        if flat or (not step.nodes[index].grad and any(step.nodes[source].grad for source in given)):
            found.add(index)
        else:
            waiting += given
    return sorted(index for index in found if _learns(step, index))


def _learns(step: GraphStep, index: int) -> bool:
    """Whether a gradient could flow from there to a parameter, were it not cut."""
    return any(
        step.nodes[node].op == "parameter"
        for source in step.sources(index)
        for node in step.behind_grad(source.node)
    )
