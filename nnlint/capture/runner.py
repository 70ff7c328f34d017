"""The forked process that continues the script's own loop under an intervention."""

from __future__ import annotations

import contextlib
import importlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import torch
from torch.optim import Optimizer

from nnlint.capture import batch as batches_of
from nnlint.capture.intervention import Intervention
from nnlint.capture.limits import lift_limits
from nnlint.capture.meter import Meter
from nnlint.capture.plan import Continuation, Measurement, Step, Trajectory, to_json
from nnlint.capture.shards import local
from nnlint.capture.versions import Versions, versions, versions_of, written
from nnlint.capture.watch import Batches, Listener

if TYPE_CHECKING:
    from nnlint.capture.host import Host

_T = TypeVar("_T")


class Runner(Listener):
    """Continues the script's own loop under an intervention and keeps the trajectory.

    Interventions and meters may read `held`, `host`, `continuation`, `trigger`, `steps`, `backwards` and
    `grad_norm` (of the step that is being made, over all that the optimizer holds), and call `end`; meters
    call `enough`.
    """

    def __init__(
        self, host: Host, continuation: Continuation, trigger: str, batches: Batches | None, batch: Any
    ) -> None:
        self.host = host
        self.continuation = continuation
        self.trigger = trigger
        # The one that trains; another may read ahead for it.
        self._thread = threading.get_ident()
        self._ending = False
        self.steps: list[Step] = []
        # The batch that each loader gives again and again, by the loader's identity.
        self.held: dict[int, Any] = {}
        self._start_clocks()
        # How often gradients were computed.
        self.backwards = 0
        self._loss = math.nan
        # Whether there was a backward since the last step.
        self._heard = False
        self.grad_norm = math.nan
        self._optimizers: list[Optimizer] = []
        # Who hears the script from now on.
        self._successor: Listener = self
        # Within LBFGS the closure runs, and the parameters change, before the step is over.
        self._stepping = False
        # Of the parameters at the last backward: how updates by hand are seen.
        self._versions: Versions = {}
        self._state = torch.get_rng_state()
        self._told = self.started
        self.intervention = load(continuation)[0](self, continuation.values)
        self._first = batches.loader if batches is not None else None
        if self.holds or self.intervention.endless:
            lift_limits()
        self._measured_by(continuation)
        if trigger == "loader" and not self._callers and not self.intervention.hears_calls:
            host.watch.ignore_calls()
        self._each(lambda meter: meter.begin(batches, batch))

    def _measured_by(self, continuation: Continuation) -> None:
        self._satisfied: set[Meter] = set()
        self._meters = {name: kind(self) for name, kind in load(continuation)[1].items()}
        self._callers = [
            name
            for name, meter in self._meters.items()
            if type(meter).calling is not Meter.calling or type(meter).called is not Meter.called
        ]

    def become(self, continuation: Continuation, batches: Batches | None, batch: Any) -> None:
        """Be another continuation of the same intervention from the beginning, while it is still that."""
        self.continuation = continuation
        self._start_clocks()
        self._measured_by(continuation)
        self._each(lambda meter: meter.begin(batches, batch))

    def _start_clocks(self) -> None:
        self.started = time.perf_counter()
        self._worked = time.process_time()

    @property
    def holds(self) -> bool:
        """Whether every step sees the first batch again."""
        return self.intervention.holds

    def first_batch(self, batches: Batches, batch: Any) -> Any:
        """The batch at which this process was forked, as the intervention makes it."""
        changed = self.intervention.batch(batch)
        if self.holds:
            self.held[id(batches.loader)] = changed
            changed = batches_of.held(changed)
        return self._given(batches, changed)

    def next_batch(self, batches: Batches) -> Any:
        if threading.get_ident() != self._thread:
            return next(batches.inner)
        self.check_time()
        if id(batches.loader) in self.held:
            return self._given(batches, batches_of.held(self.held[id(batches.loader)]))
        try:
            if self.intervention.over(batches):
                raise StopIteration
            batch = next(batches.inner)
        except StopIteration:
            self._each(lambda meter: meter.exhausted(batches))
            if not self.intervention.endless or batches.loader is not self._first:
                raise
            batches.begin()
            batch = next(batches.inner)
        if not self.holds:
            return self._given(batches, self.intervention.batch(batch))
        # The other loaders of the first iteration go round with the first one.
        return self.first_batch(batches, batch) if not self.steps else self._given(batches, batch)

    def _given(self, batches: Batches, batch: Any) -> Any:
        self._each(lambda meter: meter.given(batches, batch))
        return batch

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        other = self.intervention.calling(root, args, kwargs) if self.intervention.hears_calls else None
        if self._callers:
            args, kwargs = other or (args, kwargs)
            self._each(lambda meter: meter.calling(root, args, kwargs))
        return other

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self._callers:
            self._each(lambda meter: meter.called(root, args, kwargs, output))

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if not self.host.watch.living_optimizers() and not self._stepping:
            self._by_hand()
            self._versions = versions(losses, by_value=True)
        self._hear(losses)
        self._each(lambda meter: meter.backward(losses))

    def differentiated(self, outputs: tuple[torch.Tensor, ...], inputs: tuple[torch.Tensor, ...]) -> None:
        if self.host.watch.living_optimizers():
            if not self._heard and any(isinstance(entry, torch.nn.Parameter) for entry in inputs):
                # The optimizer may be given these gradients; a backward that follows speaks louder.
                self._hear(outputs)
                self._heard = False
            return
        if not (leaves := versions_of(inputs)):
            return
        self._by_hand()
        self._versions = leaves
        self._hear(outputs)
        self._each(lambda meter: meter.backward(outputs))

    def _by_hand(self) -> None:
        """Count an update if the parameters have changed since the last gradients."""
        if written(self._versions, by_value=True):
            self._updated(-1)

    def _hear(self, losses: tuple[torch.Tensor, ...]) -> None:
        self.backwards += 1
        # Of several before one step (accumulation, a closure, a second look) the first speaks for it.
        if not self._heard:
            self._heard = True
            self._loss = float(sum(loss.detach().float().mean() for loss in losses))

    def stepping(self, optimizer: Optimizer) -> None:
        self._stepping = True
        self.grad_norm = _grad_norm(optimizer)
        self.intervention.stepping(optimizer)
        self._each(lambda meter: meter.stepping(optimizer))

    def stepped(self, optimizer: Optimizer) -> None:
        self._stepping = False
        if math.isnan(self.grad_norm):
            # A closure has computed them within the step.
            self.grad_norm = _grad_norm(optimizer)
        if optimizer not in self._optimizers:
            self._optimizers.append(optimizer)
        self.intervention.stepped(optimizer)
        self._each(lambda meter: meter.stepped(optimizer))
        self._updated(self._optimizers.index(optimizer))

    def _updated(self, optimizer: int) -> None:
        self._heard = False
        self.steps.append(Step(self._loss, self.grad_norm, optimizer))
        if len(self.steps) >= self.continuation.steps:
            self.end("steps")
        if self.backwards and not math.isfinite(self._loss):
            self.end("not finite")
        if self.holds and self.trigger != "loader":
            # With no loader to hold, the same random state draws the same batch again.
            torch.set_rng_state(self._state)
        self.check_time()

    def _each(self, tell: Callable[[Meter], object]) -> None:
        """Tell every meter; one that fails is reported and heard no more."""
        for name, meter in list(self._meters.items()):
            # While the first was told, this process may have become another continuation.
            if self._meters.get(name) is meter:
                with self._guarded(name):
                    tell(meter)

    @contextlib.contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        # Hooks of our own would hear what the meter does: it may call the model, and differentiate.
        watch = self.host.watch
        watch.listener = Listener()
        try:
            yield
        except Exception as error:
            self._meters.pop(name, None)
            self._callers = [caller for caller in self._callers if caller != name]
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self.host.channel.send("failed", f"{name} in {self.continuation.name}\t{text[:300]}")
        finally:
            watch.listener = self._successor

    def hand_over(self, successor: Listener) -> None:
        """In a process that a meter has forked: another listener takes this one's place."""
        self._successor = successor

    def check_time(self) -> None:
        """Stop when the continuation's time is over; tell the supervisor now and then how it goes."""
        now = time.perf_counter()
        entry = self.continuation
        if time.process_time() - self._worked > entry.seconds or now - self.started > entry.patience:
            self.end("seconds")
        if now - self._told > 0.5:
            self._told = now
            self.host.channel.send(
                "progress",
                f"{self.continuation.name}\t{len(self.steps)}\t{self._loss:.6g}",
            )

    def enough(self, meter: Meter, why: str) -> None:
        """A meter has seen all that it wants to; with the last of them the continuation ends."""
        self._satisfied.add(meter)
        if self._satisfied.issuperset(self._meters.values()):
            self.end(why)

    def ended(self, why: str) -> None:
        """The script is over in this process."""
        self.end(why)

    def still(self) -> None:
        """It may serve what it has trained, or wait for a key; what was seen by then is told."""
        if self.steps:
            self.end("the script waits for something")

    def late(self) -> None:
        """Where steps are long, none may end in time; what was seen by then is told."""
        if self.steps and not self._ending:
            self.end("seconds")

    def end(self, why: str) -> NoReturn:
        """Report and end the process."""
        self._ending = True
        entry = self.continuation
        measured = []
        for name in list(self._meters):
            with self._guarded(name):
                result = self._meters[name].result()
                if result is not None:
                    measured.append(Measurement(name, to_json(result)))
        seconds, worked = time.perf_counter() - self.started, time.process_time() - self._worked
        trajectory = Trajectory(
            entry.name, entry.intervention, tuple(self.steps), why, seconds, tuple(measured), worked
        )
        self.host.channel.send("trajectory", to_json(trajectory))
        self.host.finish()


def load(continuation: Continuation) -> tuple[type[Intervention], dict[str, type[Meter]]]:
    """The classes of its intervention and of its meters, by name."""
    kind = Intervention
    if continuation.intervention != "none":
        kind = _only_class(f"nnlint.capture.interventions.{continuation.intervention}", Intervention)
    meters = {name: _only_class(f"nnlint.capture.meters.{name}", Meter) for name in continuation.meters}
    return kind, meters


def _only_class(module: str, base: type[_T]) -> type[_T]:
    """The one subclass of `base` that a module defines."""
    found = [
        value
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module
    ]
    if len(found) != 1:
        raise TypeError(f"{module} defines {len(found)} subclasses of {base.__name__}, not one")
    return found[0]


def _grad_norm(optimizer: Optimizer) -> float:
    """The Euclidean norm of all gradients that the optimizer holds; NaN if there are none."""
    grads = [
        local(parameter.grad).detach()
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None and not parameter.grad.is_sparse
    ]
    if not grads:
        return math.nan
    return float(torch.linalg.vector_norm(torch.stack(list(torch._foreach_norm(grads)))))
