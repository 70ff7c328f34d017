"""Batch norm within frozen parts of a model, and whether its statistics move all the same."""

from __future__ import annotations

import torch
from torch import nn

from nnlint.experiments.health import Drift, short

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class FrozenNorms:
    """Remembers the running means of a root's frozen batch norms at its first call."""

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._before = {
            name: module.running_mean.clone()
            for name, module in root.named_modules()
            if isinstance(module, _NORMS) and module.running_mean is not None and _frozen(module)
        }

    def drifts(self, number: int) -> list[Drift]:
        """The largest frozen parts, with weights beside the norms, whose norms have moved."""
        parts: dict[str, list[float]] = {}
        for name, before in self._before.items():
            norm = self._root.get_submodule(name)
            part = self._part(name)
            # What was thawed in between, or is frozen only for another network's turn, is not meant here.
            if part is None or not isinstance(norm, _NORMS) or norm.running_mean is None:
                continue
            deviation = torch.ones_like(before) if norm.running_var is None else norm.running_var
            moved = (norm.running_mean - before).abs() / (deviation.sqrt() + 1e-6)
            parts.setdefault(part, []).append(float(moved.max()))
        return [
            Drift(number, part, sum(move > 0 for move in moves), short(max(moves)))
            for part, moves in parts.items()
            if max(moves) > 0
        ]

    def _part(self, name: str) -> str | None:
        """The largest part around the norm that is frozen; None where only norms are, or all is."""
        parts = name.split(".")
        for length in range(len(parts)):
            path = ".".join(parts[:length])
            module = self._root.get_submodule(path)
            if _frozen(module):
                weights = any(parameter.dim() > 1 for parameter in module.parameters())
                return path if weights and length else None
        return None


def _frozen(module: nn.Module) -> bool:
    own = list(module.parameters())
    return bool(own) and not any(parameter.requires_grad for parameter in own)
