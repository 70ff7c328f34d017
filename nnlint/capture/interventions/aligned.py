"""Chance and weights are another run's: what two scripts draw is the same, and so is what they begin with."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture.intervention import Intervention
from nnlint.experiments.reference import READS, matched

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner


class Aligned(Intervention):
    """`values`: whether the weights are written or read, and the number of the open file.

    The file holds the parameters and buffers of each model before its first call, in the order of these
    calls. Read, they take the place of the script's own where each has a counterpart.
    """

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        role, descriptor = values
        self._descriptor = int(descriptor)
        self._written: list[dict[str, torch.Tensor]] = []
        self._read: list[dict[str, torch.Tensor]] = self._load() if role == READS else []
        self._reads = role == READS
        self._begun: list[torch.nn.Module] = []
        # Our own weights, where others took their place.
        self.before: dict[torch.Tensor, torch.Tensor] = {}
        _seed(0)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if any(root is begun for begun in self._begun):
            return None
        self._begun.append(root)
        if self._reads:
            if len(self._read) >= len(self._begun):
                self._take(root, self._read[len(self._begun) - 1])
        else:
            self._written.append(
                {
                    name: tensor.detach().clone()
                    for name, tensor in [*root.named_parameters(), *root.named_buffers()]
                }
            )
            self._save()
        return None

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        _seed(len(self.runner.steps) + 1)

    def _take(self, root: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
        parameters = dict(root.named_parameters())
        buffers = dict(root.named_buffers())
        ours = [(name, tensor.shape) for name, tensor in state.items()]
        for mine in (parameters, buffers):
            others = ours[: len(parameters)] if mine is parameters else ours[len(parameters) :]
            numbers = matched(others, [(name, tensor.shape) for name, tensor in mine.items()])
            for number, tensor in zip(numbers, mine.values(), strict=False):
                self.before[tensor] = tensor.detach().clone()
                with torch.no_grad():
                    tensor.copy_(state[others[number][0]])

    def _save(self) -> None:
        with os.fdopen(os.dup(self._descriptor), "wb") as file:
            file.seek(0)
            file.truncate()
            torch.save(self._written, file)

    def _load(self) -> list[dict[str, torch.Tensor]]:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            states: list[dict[str, torch.Tensor]] = torch.load(file, map_location="cpu", weights_only=True)
        return states


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
