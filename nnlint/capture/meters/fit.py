"""Hears the loss functions of a trajectory over one held batch, and what their targets allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nnlint.capture.hearing import Heard, LossMode
from nnlint.capture.meter import Meter
from nnlint.capture.plan import Place
from nnlint.capture.shards import local
from nnlint.capture.watch import user_place
from nnlint.capture.written import WrittenErrors
from nnlint.experiments import fit

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from nnlint.capture.runner import Runner

# Learnt in so many steps one after the other, the batch need not be shown again.
_ENOUGH = 5
_LEARNT = 0.98
# So many updates are compared with their gradients.
_COMPARED = 5
# What is left of the loss beside its loss functions, by which it may differ from them.
_REST = 0.01


class FitMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._mode = LossMode(WrittenErrors())
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        self._unbounded = ""
        self._criteria: tuple[str, ...] = ()
        self._place: Place | None = None
        self._targets: list[torch.Tensor] = []
        self._chance = self._floor = math.nan
        self._weight = 0.0
        # Which of the functions called before a backward are part of what it is called on.
        self._used: list[int] = []
        self._values: list[float] = []
        self._spread: float | None = None
        self._samples = 0
        # How many updates there were when a backward was last heard; of several the first speaks for a step.
        self._heard_at = -1
        self._optimizers: list[Optimizer] = []
        self._before: dict[torch.Tensor, torch.Tensor] = {}
        self._cosines: list[float] = []
        self._learnt = 0
        self._rates: list[float] = []
        self._parameters = 0

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        heard, self._mode.heard = self._mode.heard, []
        if self._heard_at == len(self.runner.steps):
            return
        if not heard and not self._targets and self.runner.trigger == "backward":
            # We began at this backward, after its loss; the next step's is heard.
            return
        self._heard_at = len(self.runner.steps)
        if not self._targets and not self._unbounded:
            self._unbounded = self._bound(losses, heard)
            written, self._mode.written = self._mode.written, None
            if written is not None and self._unbounded and not self._used and written.flipped(losses[0]):
                self._weight, self._place = -1.0, user_place()
        elif not self._unbounded:
            self._follow(heard)
        if self._used and self._used[-1] < len(heard):
            self._values.append(sum(float(heard[at].output.detach().mean()) for at in self._used))

    def _bound(self, losses: tuple[torch.Tensor, ...], heard: list[Heard]) -> str:
        """Find the bounds of the first loss; why there are none."""
        if len(losses) != 1 or losses[0].numel() != 1:
            return "`backward` was not called on one number"
        loss = losses[0]
        if not heard or not loss.requires_grad:
            return "the loss is computed by no function of torch.nn.functional that has known bounds"
        weights = torch.autograd.grad(
            loss, [entry.output for entry in heard], retain_graph=True, allow_unused=True
        )
        positions = [at for at, weight in enumerate(weights) if weight is not None]
        used = [(heard[at], weights[at]) for at in positions]
        if not used:
            return "the loss is computed by no function of torch.nn.functional that has known bounds"
        self._criteria = tuple(dict.fromkeys(entry.call.name for entry, _ in used))
        self._place = used[0][0].place
        value = float(loss.detach())
        rest = value - sum(float((weight * entry.output.detach()).sum()) for entry, weight in used)
        chance = floor = 0.0
        for entry, weight in used:
            if entry.call.target.requires_grad:
                return "its targets are computed by what is trained"
            bounds = entry.call.bounds()
            if bounds is None:
                return "its loss function is called in a way of its own"
            if bool((weight > 0).any()) and bool((weight < 0).any()):
                return "some samples count with a negative weight"
            chance += float((weight * bounds.chance).sum())
            floor += float((weight * bounds.floor).sum())
        factors = torch.stack([weight.sum() for _, weight in used])
        self._weight = float(factors.abs().sum()) * (-1 if bool((factors < 0).all()) else 1)
        self._used = positions
        self._targets = [entry.call.target.detach().clone() for entry, _ in used]
        self._samples = len(self._targets[0]) if self._targets[0].dim() else 1
        if not abs(rest) <= _REST * max(abs(value), abs(chance)):
            return "the loss has terms beside its loss functions"
        if not math.isfinite(chance) or not math.isfinite(floor):
            return "its bounds are not finite"
        # On the loss's own scale: it may be multiplied by next to nothing.
        if not abs(chance - floor) > 1e-6 * max(abs(chance), 1e-6 * abs(self._weight)):
            return "the targets are the same for every sample"
        self._chance, self._floor = chance, floor
        return ""

    def _follow(self, heard: list[Heard]) -> None:
        """See whether the targets stay, and how far the predictions differ from each other."""
        now = [heard[at].call for at in self._used if at < len(heard)]
        same = len(now) == len(self._targets) and all(
            call.target.shape == target.shape and torch.equal(call.target, target)
            for call, target in zip(now, self._targets, strict=True)
        )
        if not same:
            self._unbounded = "the targets change from step to step"
            return
        prediction = now[0].prediction.detach()
        if prediction.dim() and len(prediction) > 1:
            deviation = prediction.double().std(0).mean()
            scale = prediction.double().abs().mean()
            self._spread = float(deviation / scale) if scale > 0 else 0.0

    def stepping(self, optimizer: Optimizer) -> None:
        if len(self._cosines) < _COMPARED:
            self._before = {
                parameter: local(parameter).detach().clone()
                for group in optimizer.param_groups
                for parameter in group["params"]
                if parameter.grad is not None and not parameter.grad.is_sparse
            }

    def stepped(self, optimizer: Optimizer) -> None:
        self._mode.heard.clear()
        if optimizer not in self._optimizers:
            self._optimizers.append(optimizer)
            self._parameters += sum(
                parameter.numel() for group in optimizer.param_groups for parameter in group["params"]
            )
        self._rates = [*self._rates[:1], float(optimizer.param_groups[0]["lr"])]
        if self._before:
            self._compare()
        self._stop_if_learnt()

    def _compare(self) -> None:
        along = updates = gradients = 0.0
        for parameter, before in self._before.items():
            if parameter.grad is not None:
                update = (local(parameter).detach() - before).double()
                grad = local(parameter.grad).detach().double()
                along += float((update * grad).sum())
                updates += float((update * update).sum())
                gradients += float((grad * grad).sum())
        self._before = {}
        if updates > 0 and gradients > 0:
            self._cosines.append(along / math.sqrt(updates * gradients))

    def _stop_if_learnt(self) -> None:
        if self._unbounded or not self.runner.steps or not math.isfinite(self._chance):
            return
        share = (self._chance - self.runner.steps[-1].loss) / (self._chance - self._floor)
        self._learnt = self._learnt + 1 if share > _LEARNT else 0
        if self._learnt >= _ENOUGH:
            self.runner.enough(self, "learnt")

    def result(self) -> fit.Fit | None:
        self._mode.on = False
        if not self.runner.steps:
            return None
        if not self._targets and not self._unbounded:
            self._unbounded = "no `backward` was called, and so no loss was looked at"
        return fit.Fit(
            criteria=self._criteria,
            place=self._place,
            losses=tuple(step.loss for step in self.runner.steps),
            chance=self._chance,
            floor=self._floor,
            unbounded=self._unbounded,
            weight=self._weight,
            values=tuple(self._values) if self._used else tuple(-step.loss for step in self.runner.steps),
            direction=min(self._cosines, default=math.nan),
            optimizers=len(self._optimizers),
            spread=self._spread,
            samples=self._samples,
            rates=tuple(self._rates),
            parameters=self._parameters,
        )
