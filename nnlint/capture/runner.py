"""The forked process that continues the script's own loop under an intervention."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch.optim import Optimizer

from nnlint.capture import batch as batches_of
from nnlint.capture.plan import Continuation, Step, Trajectory, to_json
from nnlint.capture.versions import Versions, versions, written
from nnlint.capture.watch import Batches, Listener

if TYPE_CHECKING:
    from nnlint.capture.host import Host


class Runner(Listener):
    """Continues the script's own loop under an intervention and keeps the trajectory."""

    def __init__(self, host: Host, continuation: Continuation, trigger: str) -> None:
        self.host = host
        self.continuation = continuation
        self.trigger = trigger
        self.steps: list[Step] = []
        self.held: dict[int, Any] = {}
        self.started = time.perf_counter()
        self._loss = math.nan
        # Whether there was a backward since the last step.
        self._heard = False
        self._grad = math.nan
        self._optimizers: list[Optimizer] = []
        # Within LBFGS the closure runs, and the parameters change, before the step is over.
        self._stepping = False
        # Of the parameters at the last backward: how updates by hand are seen.
        self._versions: Versions = {}
        self._state = torch.get_rng_state()
        self._told = self.started
        if trigger == "loader":
            host.watch.ignore_calls()

    @property
    def holds(self) -> bool:
        """Whether every step sees the first batch again."""
        return self.continuation.intervention != "none"

    def first_batch(self, batches: Batches, batch: Any) -> Any:
        """The batch at which this process was forked, as the intervention makes it."""
        if not self.holds:
            return batch
        changed = batches_of.zeroed(batch) if self.continuation.intervention == "zeroed" else batch
        self.held[id(batches.loader)] = changed
        return batches_of.held(changed)

    def next_batch(self, batches: Batches) -> Any:
        self.check_time()
        if id(batches.loader) in self.held:
            return batches_of.held(self.held[id(batches.loader)])
        batch = next(batches.inner)
        # The other loaders of the first iteration go round with the first one.
        return self.first_batch(batches, batch) if not self.steps else batch

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if self.continuation.intervention == "zeroed":
            return batches_of.zeroed(args), kwargs
        return None

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if not self.host.watch.living_optimizers() and not self._stepping:
            if written(self._versions, by_value=True):
                self._updated(-1)
            self._versions = versions(losses, by_value=True)
        # Of several before one step (accumulation, a closure, a second look) the first speaks for it.
        if not self._heard:
            self._heard = True
            self._loss = float(sum(loss.detach().float().mean() for loss in losses))

    def stepping(self, optimizer: Optimizer) -> None:
        self._stepping = True
        self._grad = _grad_norm(optimizer)

    def stepped(self, optimizer: Optimizer) -> None:
        self._stepping = False
        if math.isnan(self._grad):
            # A closure has computed them within the step.
            self._grad = _grad_norm(optimizer)
        if optimizer not in self._optimizers:
            self._optimizers.append(optimizer)
        self._updated(self._optimizers.index(optimizer))

    def _updated(self, optimizer: int) -> None:
        self._heard = False
        self.steps.append(Step(self._loss, self._grad, optimizer))
        if len(self.steps) >= self.continuation.steps:
            self.end("steps")
        if not math.isfinite(self._loss):
            self.end("not finite")
        if self.holds and self.trigger != "loader":
            # With no loader to hold, the same random state draws the same batch again.
            torch.set_rng_state(self._state)
        self.check_time()

    def check_time(self) -> None:
        """Stop when the continuation's time is over; tell the supervisor now and then how it goes."""
        now = time.perf_counter()
        if now - self.started > self.continuation.seconds:
            self.end("seconds")
        if now - self._told > 0.5:
            self._told = now
            self.host.channel.send(
                "progress",
                f"{self.continuation.name}\t{len(self.steps)}\t{self._loss:.6g}",
            )

    def ended(self, why: str) -> None:
        """The script is over in this process."""
        self.end(why)

    def end(self, why: str) -> NoReturn:
        """Report and end the process."""
        entry = self.continuation
        seconds = time.perf_counter() - self.started
        trajectory = Trajectory(entry.name, entry.intervention, tuple(self.steps), why, seconds)
        self.host.channel.send("trajectory", to_json(trajectory))
        self.host.finish()


def _grad_norm(optimizer: Optimizer) -> float:
    """The Euclidean norm of all gradients that the optimizer holds; NaN if there are none."""
    grads = [
        parameter.grad.detach()
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None and not parameter.grad.is_sparse
    ]
    if not grads:
        return math.nan
    return float(torch.linalg.vector_norm(torch.stack(list(torch._foreach_norm(grads)))))
