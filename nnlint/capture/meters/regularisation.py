"""Notes the dropout of the models and the weight decay of the optimizers at the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnlint.capture.meter import Meter
from nnlint.experiments.regularisation import Regularisation

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner

# Their decay is taken from the weights beside the gradient, not added to it.
_DECOUPLED = ("AdamW", "NAdamW")


class RegularisationMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._dropout = ("", 0.0)
        self._decay: tuple[str, Place | None, float, float, float] = ("", None, 0.0, 0.0, 0.0)

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        if root.training:
            for name, module in root.named_modules():
                rate = getattr(module, "p", 0.0) if isinstance(module, nn.modules.dropout._DropoutNd) else 0.0
                if rate > self._dropout[1]:
                    self._dropout = name, float(rate)

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            decay = float(group.get("weight_decay", 0.0))
            if decay > self._decay[2]:
                held = [parameter for parameter in group["params"] if parameter.grad is not None]
                name = type(optimizer).__name__
                pull = decay * _norm([parameter.detach() for parameter in held])
                pushed = _norm([parameter.grad for parameter in held])
                share = 0.0 if name in _DECOUPLED else pull / max(pull + pushed, 1e-30)
                shrinks = min(1.0, float(group["lr"]) * decay)
                self._decay = name, self.runner.host.watch.built.get(optimizer), decay, shrinks, share

    def result(self) -> Regularisation:
        return Regularisation(self._dropout[0], self._dropout[1], *self._decay)


def _norm(tensors: list[torch.Tensor]) -> float:
    dense = [tensor for tensor in tensors if tensor.layout is torch.strided]
    return float(torch.stack([tensor.float().norm() for tensor in dense]).norm()) if dense else 0.0
