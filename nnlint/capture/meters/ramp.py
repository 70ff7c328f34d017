"""Keeps the curve of loss against learning rate of the optimizer that steps first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnlint.capture.meter import Meter
from nnlint.experiments.ramp import Ramp

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner


class RampMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._optimizer: torch.optim.Optimizer | None = None
        self._rates: list[float] = []
        self._losses: list[float] = []
        self._loss = math.nan

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        self._loss = float(sum(loss.detach().float().mean() for loss in losses))

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        # LBFGS looks for its own step, and its rate is a factor of that.
        if self._optimizer is None and type(optimizer).__name__ != "LBFGS":
            self._optimizer = optimizer
        if optimizer is self._optimizer:
            self._rates.append(float(optimizer.param_groups[0]["lr"]))
            self._losses.append(self._loss)

    def result(self) -> Ramp | None:
        optimizer = self._optimizer
        low = self.runner.continuation.values[0]
        if optimizer is None or not self._rates:
            return None
        place = self.runner.host.watch.built.get(optimizer)
        own = self._rates[0] / low
        return Ramp(type(optimizer).__name__, place, own, tuple(self._rates), tuple(self._losses))
