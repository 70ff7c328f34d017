"""The dropouts of a recorded step: one operator on a GPU, several on the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.graph.nodes import Ref

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep


def dropped(step: GraphStep, index: int) -> Ref | None:
    """What an operation drops values of; None if it is no dropout."""
    operator, sources = step.operator(index), step.sources(index)
    if operator == "native_dropout":
        return sources[0]
    if operator == "mul" and len(sources) == 2:
        for given, noise in (sources, sources[::-1]):
            if _is_noise(step, noise):
                return given
    return None


def attention_rate(step: GraphStep, index: int) -> float:
    """The share of attention weights that a fused attention drops; 0 for any other operator."""
    rate = step.nodes[index].arguments.get("dropout_p")
    return rate if isinstance(rate, float) else 0.0


def _is_noise(step: GraphStep, ref: Ref) -> bool:
    """Whether it is 0 or 1 / (1 - p) by chance, as torch makes it: drawn into empty memory and scaled."""
    if step.operator(ref.node) == "div" and len(step.sources(ref.node)) == 1:
        ref = step.sources(ref.node)[0]
    return step.operator(ref.node) == "bernoulli" and step.nodes[ref.node].caller != "user"
