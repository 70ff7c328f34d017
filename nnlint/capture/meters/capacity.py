"""How much of its training set a model knows, epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture.chance import Loss
from nnlint.capture.hearing import Heard, LossMode
from nnlint.capture.meter import Meter
from nnlint.experiments import capacity

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# Of the targets of an epoch so many numbers are kept, to tell what a constant prediction would give.
_MOST = 1 << 24
# What is left of the loss beside its loss functions, by which it may differ from them.
_REST = 0.01


class _Criterion:
    """One loss function of the script over an epoch."""

    def __init__(self) -> None:
        self.total = 0.0
        self.samples = 0
        self.bounds: tuple[float, float] | None = None
        self._calls: list[Loss] = []
        self._kept = 0

    def hear(self, call: Loss) -> None:
        """Add a batch; its targets, too, until the first epoch is over."""
        number = len(call.target) if call.target.dim() else 1
        self.total += float(_mean(call).of(call.prediction.detach())) * number
        self.samples += number
        if self.bounds is None and self._kept < _MOST:
            self._calls.append(_blank(call))
            self._kept += max(call.target.numel(), call.prediction.numel())

    def share(self) -> float:
        """How far the epoch's mean loss is on the way from chance to the floor; NaN if there is no way.

        The next epoch begins.
        """
        if self.bounds is None:
            self.bounds = _bounds(self._calls)
            self._calls.clear()
        chance, floor = self.bounds
        value = self.total / max(self.samples, 1)
        self.total, self.samples = 0.0, 0
        return (chance - value) / (chance - floor) if chance - floor > 1e-9 * abs(chance) else math.nan


class CapacityMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._mode = LossMode()
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        self._used: list[int] = []
        self._criteria: list[_Criterion] = []
        self._shares: list[float] = []
        self._unbounded = ""
        self._place: Place | None = None
        self._optimizer: Optimizer | None = None
        self._samples = 0
        self._pass: Batches | None = None
        # The targets of a script that takes all its samples at every step.
        self._whole: list[torch.Tensor] = []
        self._heard = False

    def given(self, batches: Batches, batch: Any) -> None:
        if self._pass is None:
            self._pass = batches
        elif batches is not self._pass and batches.loader is self._pass.loader:
            # Lightning counts the batches itself, and does not ask for one more.
            self._pass = batches
            self._epoch()

    def exhausted(self, batches: Batches) -> None:
        if batches is self._pass:
            self._epoch()

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        heard, self._mode.heard = self._mode.heard, []
        self._heard = True
        if not self._unbounded:
            self._unbounded = self._hear(losses, heard)

    def stepped(self, optimizer: Optimizer) -> None:
        self._mode.heard.clear()
        if self._optimizer is None:
            self._optimizer = optimizer
        elif optimizer is not self._optimizer:
            self._unbounded = "several optimizers step, and one loss does not speak for all of them"
        if not self._heard:
            self._unbounded = "no `backward` was called, and so no loss was looked at"
        if self._pass is None and not self._unbounded:
            self._epoch()
        elif self._unbounded:
            self.runner.end("does not apply")

    def _hear(self, losses: tuple[torch.Tensor, ...], heard: list[Heard]) -> str:
        """Add what is in these losses; why that cannot be done, or nothing."""
        if not self._criteria and (why := self._begin(losses, heard)):
            return why
        calls = [heard[at].call for at in self._used if at < len(heard)]
        if len(calls) < len(self._criteria):
            return "its loss functions change from step to step"
        targets = [call.target for call in calls]
        if self._pass is None and not _same(targets, self._whole):
            return "the script draws its batches itself, so that nobody knows when it has seen all samples"
        for criterion, call in zip(self._criteria, calls, strict=True):
            criterion.hear(call)
        return ""

    def _begin(self, losses: tuple[torch.Tensor, ...], heard: list[Heard]) -> str:
        if len(losses) != 1 or losses[0].numel() != 1 or not losses[0].requires_grad:
            return "`backward` was not called on one number"
        outputs = [entry.output for entry in heard]
        weights = (
            torch.autograd.grad(losses[0], outputs, retain_graph=True, allow_unused=True) if outputs else ()
        )
        self._used = [at for at, weight in enumerate(weights) if weight is not None]
        if not self._used:
            return "the loss is computed by no function of torch.nn.functional that has known bounds"
        value = float(losses[0].detach())
        known = sum(
            float((weight * outputs[at].detach()).sum())
            for at, weight in enumerate(weights)
            if at in self._used
        )
        if not abs(value - known) <= _REST * abs(value):
            return "the loss has terms beside its loss functions"
        if any(bool((weights[at] < 0).any()) for at in self._used):
            return "its loss function counts with a negative weight"
        if any(heard[at].call.target.requires_grad for at in self._used):
            return "its targets are computed by what is trained"
        self._place = heard[self._used[0]].place
        self._criteria = [_Criterion() for _ in self._used]
        if self._pass is None:
            self._whole = [heard[at].call.target.detach().clone() for at in self._used]
        return ""

    def _epoch(self) -> None:
        if not self._criteria or not self._criteria[0].samples:
            return
        self._samples = self._criteria[0].samples
        share = min(criterion.share() for criterion in self._criteria)
        if math.isnan(share):
            self._unbounded = "the targets are the same for every sample"
            self.runner.end("does not apply")
        self._shares.append(share)
        memory = self._memory()
        if memory.best >= capacity.OVERFIT:
            self.runner.end("learnt")
        if memory.settled:
            self.runner.end("settled")

    def _memory(self) -> capacity.Memory:
        return capacity.Memory(
            tuple(self._shares), len(self.runner.steps), self._samples, self._unbounded, self._place
        )

    def result(self) -> capacity.Memory:
        self._mode.on = False
        return self._memory()


def _mean(call: Loss) -> Loss:
    """The same call, averaged over its elements."""
    kept = {name: value for name, value in call.arguments.items() if name not in ("size_average", "reduce")}
    return replace(call, arguments={**kept, "reduction": "mean"})


def _blank(call: Loss) -> Loss:
    """The call without its prediction's numbers, which its bounds do not need."""
    prediction = call.prediction.new_zeros(()).expand(call.prediction.shape)
    return _mean(
        replace(
            call, arguments={**call.arguments, "input": prediction, "target": call.target.detach().clone()}
        )
    )


def _bounds(calls: list[Loss]) -> tuple[float, float]:
    """The mean loss of the best constant prediction for all of them, and the lowest that there can be."""
    try:
        whole = replace(
            calls[0],
            arguments={
                **calls[0].arguments,
                **{name: torch.cat([call.arguments[name] for call in calls]) for name in ("input", "target")},
            },
        )
        found = [(1, whole.bounds())]
    except (RuntimeError, IndexError):
        # Batches that differ in more than their number of samples: each has a best constant of its own.
        found = [(max(call.target.numel(), 1), call.bounds()) for call in calls]
    if any(bounds is None for _, bounds in found):
        return math.nan, math.nan
    total = sum(number for number, _ in found)
    chance = sum(number * float(bounds.chance) for number, bounds in found if bounds) / total
    floor = sum(number * float(bounds.floor) for number, bounds in found if bounds) / total
    return chance, floor


def _same(now: list[torch.Tensor], before: list[torch.Tensor]) -> bool:
    return len(now) == len(before) and all(
        one.shape == other.shape and torch.equal(one, other) for one, other in zip(now, before, strict=True)
    )
