"""Another beginning for a model, and another optimizer, to see what depends on the ones it has."""

from __future__ import annotations

import math

import torch
from torch.optim import Optimizer


def restart(root: torch.nn.Module, seed: int) -> None:
    """Initialise each module anew that says how (`reset_parameters`); the random state is left as it was."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        with torch.no_grad():
            for module in root.modules():
                reset = getattr(module, "reset_parameters", None)
                # What is frozen was loaded, and is kept.
                own = list(module.parameters(recurse=False))
                if callable(reset) and own and all(parameter.requires_grad for parameter in own):
                    reset()
    finally:
        torch.set_rng_state(state)


# Of the size of the first gradients.
_SMALL = 1e-5


class Adam:
    """Steps instead of the script's optimizers, along the gradients that they are given.

    It says whether a model can learn at all: its steps hardly depend on the scale of the gradients.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._moments: dict[torch.Tensor, tuple[torch.Tensor, torch.Tensor]] = {}
        self._steps: dict[torch.Tensor, int] = {}
        # What counts as no gradient, by the size of the first ones: the loss may be scaled by anything.
        self._small = 0.0
        self._taken: list[tuple[torch.Tensor, torch.Tensor]] = []

    def instead_of(self, optimizer: Optimizer) -> None:
        """Update, and take the gradients away: the script's optimizer then has nothing to do."""
        with torch.no_grad():
            self._small = self._small or _size(optimizer) * _SMALL
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None and not parameter.grad.is_sparse:
                        self._update(parameter, parameter.grad)
                        self._taken.append((parameter, parameter.grad))
                        parameter.grad = None

    def over(self) -> None:
        """The script's optimizer has been called; give the gradients back."""
        for parameter, grad in self._taken:
            parameter.grad = grad
        self._taken.clear()

    def _update(self, parameter: torch.Tensor, grad: torch.Tensor) -> None:
        first, second = self._moments.setdefault(parameter, (torch.zeros_like(grad), torch.zeros_like(grad)))
        step = self._steps[parameter] = self._steps.get(parameter, 0) + 1
        first.lerp_(grad, 0.1)
        second.mul_(0.999).addcmul_(grad, grad, value=0.001)
        spread = (second / (1 - 0.999**step)).sqrt_().add_(self._small or 1e-8)
        parameter.addcdiv_(first, spread, value=-self.rate / (1 - 0.9**step))


def _size(optimizer: Optimizer) -> float:
    """The root of the mean square of all gradients; 0 if there are none, or not finite ones."""
    grads = [
        parameter.grad
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None and not parameter.grad.is_sparse
    ]
    total = sum(float(torch.linalg.vector_norm(grad.double())) ** 2 for grad in grads)
    size = math.sqrt(total / max(1, sum(grad.numel() for grad in grads)))
    return size if math.isfinite(size) else 0.0
