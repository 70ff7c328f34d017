"""Updates by hand: parameters that a script writes in place, with no optimizer."""

from __future__ import annotations

from typing import Any

import torch


def versions(losses: tuple[torch.Tensor, ...]) -> dict[torch.Tensor, int]:
    """How often each tensor that will receive a gradient has been written in place."""
    found: dict[torch.Tensor, int] = {}
    seen: set[Any] = set()
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found[node.variable] = node.variable._version
        waiting.extend(following for following, _ in node.next_functions if following is not None)
    return found


def written(versions: dict[torch.Tensor, int]) -> bool:
    """Whether any of them has been written in place since `versions` was taken."""
    return any(leaf._version != version for leaf, version in versions.items())
