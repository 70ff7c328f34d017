"""What a mask says of the past and the future: a triangle of ones, made in the step or before it."""

from __future__ import annotations

from collections.abc import Iterator
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
    made, flipped = _made(step, mask)
    if made is None:
        return None
    node = step.nodes[made.node]
    found = node.arguments.get("value") if node.op in ("buffer", "constant") else _triangle(step, made.node)
    return _turned(found, flipped)


def hides_padding(step: GraphStep, mask: Ref) -> bool | None:
    """Whether a mask is true where sequences are filled up with padding, or where they are not; None if it
    says nothing of that."""
    made, flipped = _made(step, mask)
    if made is None or not _is_padding(step, made):
        return None
    return (step.operator(made.node) == "eq") != flipped


def _is_padding(step: GraphStep, ref: Ref) -> bool:
    """Whether it compares words with the one that their table of embeddings keeps for padding."""
    other, sources = step.nodes[ref.node].arguments.get("other"), step.sources(ref.node)
    return (
        step.operator(ref.node) in ("eq", "ne")
        and len(sources) == 1
        and any(
            step.operator(user) == "embedding" and step.nodes[user].arguments.get("padding_idx") == other
            for user in _takers(step, step.origin(sources[0]))
        )
    )


def _takers(step: GraphStep, ref: Ref) -> Iterator[int]:
    """What takes a value, or a view or cast of it."""
    waiting = [ref.node]
    while waiting:
        for user in step.users(waiting.pop()):
            yield user
            if step.operator(user) in SAME_NUMBERS:
                waiting.append(user)


def _made(step: GraphStep, mask: Ref) -> tuple[Ref | None, bool]:
    """Where a mask was made, behind casts, views and parts, and whether it was inverted since."""
    flipped = False
    for _ in range(20):
        node, operator, sources = step.nodes[mask.node], step.operator(mask.node), step.sources(mask.node)
        other = node.arguments.get("other")
        if node.op in ("buffer", "constant") or (operator in ("tril", "triu") and sources):
            return mask, flipped
        if _is_padding(step, mask):
            return mask, flipped
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
            return None, flipped
        if not sources:
            return None, flipped
        mask = sources[0]
    return None, flipped


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
