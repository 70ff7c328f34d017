"""The learning rate grows by the same factor at each step, whatever a scheduler says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnlint.capture.intervention import Intervention

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner


class RampRate(Intervention):
    """`values`: the first and the last factor of the script's own rate, and over how many steps."""

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        self._low, high, steps = values
        self._growth = (high / self._low) ** (1 / max(1.0, steps - 1))
        self._own: dict[torch.optim.Optimizer, list[float]] = {}
        self._done: dict[torch.optim.Optimizer, int] = {}

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        if optimizer not in self._own:
            # A warm-up may begin at zero; what it warms up to is the rate that was asked for.
            self._own[optimizer] = [
                float(max(group["lr"], group.get("initial_lr", 0.0))) for group in optimizer.param_groups
            ]
        done = self._done.get(optimizer, 0)
        self._done[optimizer] = done + 1
        factor = self._low * self._growth**done
        for group, own in zip(optimizer.param_groups, self._own[optimizer], strict=True):
            group["lr"] = own * factor
