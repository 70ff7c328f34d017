"""Updates by hand: parameters that a script writes in place, with no optimizer."""

from __future__ import annotations

from typing import Any

import torch

# Each tensor that receives a gradient, and what it was like: how often written, and the sum of its elements.
Versions = dict[torch.Tensor, tuple[int, float]]


def versions(losses: tuple[torch.Tensor, ...], *, by_value: bool) -> Versions:
    """What the tensors that will receive gradients are like now.

    Writes through `.data` are not counted by torch; `by_value` looks at the elements, which takes time.
    """
    found: Versions = {}
    seen: set[Any] = set()
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found[node.variable] = _version(node.variable, by_value)
        waiting.extend(following for following, _ in node.next_functions if following is not None)
    return found


def versions_of(tensors: tuple[torch.Tensor, ...]) -> Versions:
    """What those of these tensors are like now that a script can update by hand."""
    return {
        tensor: _version(tensor, True)
        for tensor in tensors
        if isinstance(tensor, torch.Tensor) and tensor.is_leaf and tensor.requires_grad
    }


def written(before: Versions, *, by_value: bool) -> bool:
    """Whether any of them has been written in place since `before` was taken."""
    return any(_version(leaf, by_value) != version for leaf, version in before.items())


def _version(leaf: torch.Tensor, by_value: bool) -> tuple[int, float]:
    # A sum that is NaN must not differ from itself.
    total = float(torch.nan_to_num(leaf.detach()).double().sum()) if by_value else 0.0
    return leaf._version, total
