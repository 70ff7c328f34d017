"""What a mask says of the past and the future: a triangle of ones, made in the step or before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.graph.nodes import Ref
from nnlint.graph.step import SAME_NUMBERS

if TYPE_CHECKING:
    import torch

    from nnlint.graph.step import GraphStep

# A mask made before the step is looked at only up to this many numbers.
_MOST = 1 << 22
PAST, FUTURE = "past", "future"
_ONES = frozenset({"ones", "ones_like", "full", "full_like", "new_ones"})
_FLIPS = frozenset({"logical_not", "bitwise_not", "rsub"})
_LOOKED_THROUGH = SAME_NUMBERS | {"slice", "select", "index"}


def told(tensor: torch.Tensor, number: bool) -> dict[str, str | float | bool]:
    """What the recording keeps of a tensor made before the step, as `value`: the pattern of a mask, or, if
    `number`, that of a single one."""
    if number and tensor.numel() == 1:
        return {"value": tensor.item()}
    found = _pattern(tensor)
    return {"value": found} if found else {}


def _pattern(tensor: torch.Tensor) -> str | None:
    """ "past" for ones at and below the diagonal and nothing above it, "future" for ones above it only."""
    if tensor.dim() < 2 or not 1 < tensor.shape[-1] == tensor.shape[-2] or tensor.numel() > _MOST:
        return None
    if str(tensor.layout) != "torch.strided" or tensor.is_complex() or tensor.is_meta:
        return None
    ones = tensor.reshape(-1, *tensor.shape[-2:])[0]
    marked, lower = ones != 0, ones.new_ones(ones.shape).tril() != 0
    # A matrix of weights may be triangular as well: only ones make a mask.
    if bool((ones[marked] != 1).any()):
        return None
    if bool((marked == lower).all()):
        return PAST
    return FUTURE if bool((marked == ~lower).all()) else None


def marks(step: GraphStep, mask: Ref) -> str | None:
    """Which positions a mask is true at, beside the diagonal; None if nothing here says so."""
    flipped = False
    for _ in range(20):
        node, operator, sources = step.nodes[mask.node], step.operator(mask.node), step.sources(mask.node)
        other = node.arguments.get("other")
        if node.op in ("buffer", "constant"):
            found = node.arguments.get("value")
            return _turned(found, flipped) if found in (PAST, FUTURE) else None
        if operator in ("tril", "triu") and sources:
            return _turned(_triangle(step, mask.node), flipped)
        if (
            operator in _FLIPS
            or (operator == "eq" and other == 0)
            or (operator == "lt" and other in (0.5, 1))
        ):
            flipped = not flipped
        elif (
            operator not in _LOOKED_THROUGH
            and not (operator in ("ne", "gt") and other in (0, 0.5))
            and not (operator == "eq" and other == 1)
        ):
            return None
        if not sources:
            return None
        mask = sources[0]
    return None


def _triangle(step: GraphStep, index: int) -> str | None:
    node = step.nodes[index]
    made = step.origin(step.sources(index)[0])
    ones = step.operator(made.node) in _ONES and step.nodes[made.node].arguments.get("fill_value", 1) in (
        1,
        True,
    )
    diagonal = node.arguments.get("diagonal", 0)
    if not ones or not isinstance(diagonal, int):
        return None
    if step.operator(index) == "tril":
        return PAST if diagonal == 0 else None
    return FUTURE if diagonal == 1 else None


def _turned(found: object, flipped: bool) -> str | None:
    if found not in (PAST, FUTURE):
        return None
    return str(found) if not flipped else (FUTURE if found == PAST else PAST)
