"""Parameters of which each of several processes holds a part (FSDP 2, DTensor)."""

from __future__ import annotations

import sys

import torch


def local(tensor: torch.Tensor) -> torch.Tensor:
    """The part that this process holds; the tensor itself where it is not divided.

    A question about the whole would be one to all processes, and those that do not ask it would wait, or take
    it for another.
    """
    # Who has not imported it has none.
    module = sys.modules.get("torch.distributed.tensor")
    if module is not None and isinstance(tensor, module.DTensor):
        part: torch.Tensor = tensor.detach().to_local()
        return part
    return tensor


def divided(root: torch.nn.Module) -> bool:
    """Whether a process cannot call it alone, since the others hold parts of it."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    return any(local(parameter) is not parameter for parameter in root.parameters()) or (
        fsdp is not None and any(isinstance(part, fsdp.FullyShardedDataParallel) for part in root.modules())
    )
