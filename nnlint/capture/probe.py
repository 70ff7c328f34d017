"""The forked process that goes on for one iteration, to see whether it is training."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch.optim import Optimizer

from nnlint.capture.observe import Observation
from nnlint.capture.plan import Place
from nnlint.capture.versions import Versions, versions, versions_of, written
from nnlint.capture.watch import Batches, Listener

if TYPE_CHECKING:
    from nnlint.capture.host import Host

# A loader that gave this many batches with no backward in between is not being trained on.
_PATIENCE = 6
# Unless no module was called with one: Transformers first takes all that one step accumulates over.
_AHEAD, _SECONDS = 64, 5.0
# So many module calls with no backward, where the script has no loader; or as many as came before, or for so
# many seconds at the first one: cells, solvers and episodes call a model hundreds of times for one update.
_CALLS, _FIRST = 64, 2.0
# And so many between a backward and the step: a solver may call it within the backward, too.
_BACK = 10_000


class Probe(Listener):
    """Goes on for one iteration; says whether that was training, and what happened in it."""

    def __init__(
        self, host: Host, trigger: str, place: Place | None, batches: Batches | None, batch: Any
    ) -> None:
        self.host = host
        self.seen = Observation(host.watch, trigger, place)
        self._batches: Callable[[], Batches | None] = weakref.ref(batches) if batches else lambda: None
        if batches is not None:
            self.seen.loader, self.seen.batch = batches.loader, batch
        # The one that may train; another may read ahead for it.
        self._thread = threading.get_ident()
        self._began = time.perf_counter()
        # Whether another loader has given batches before there was a step.
        self._mixed = False
        self.given = 0
        self.calls = 0
        self._differentiated = False
        # Within LBFGS the closure runs, and the parameters change, before the step is over.
        self._stepping = False
        # Updates by hand are seen when the next backward finds the parameters changed.
        self._versions: Versions = {}
        self.seen.begin()

    def next_batch(self, batches: Batches) -> Any:
        if threading.get_ident() != self._thread:
            return next(batches.inner)
        self.given += 1
        ours = self.seen.loader
        if self.seen.steps or self._updated():
            # With two loaders in step, the first one is asked first again; otherwise the loop is the other's.
            alone = batches.loader is ours or ours is None or not self._mixed
            self.end("training" if alone else "another loader's")
        self._mixed |= batches.loader is not ours
        if not self._trained() and self.given > _PATIENCE and not self._ahead():
            self.end("no backward")
        if batches.loader is ours and batches is not self._batches() and not self._trained():
            # That was a look at one batch; the loop begins anew.
            self.end("another loop's")
        try:
            return next(batches.inner)
        except StopIteration:
            if batches.loader is ours and not self._trained() and not self._ahead():
                self.end("no backward")
            raise

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        self.calls += 1
        if self.seen.loader is None and not self._patient():
            self.end("training" if self.seen.steps else "no step")
        self.seen.calling(root, args, kwargs)
        return None

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self.seen.called(root, output)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if self.seen.loader is None and self._updated():
            self.end("training")
        self.seen.backward(losses)
        if not self.seen.steps:
            self._versions = versions(losses, by_value=self._by_hand())

    def stepping(self, optimizer: Optimizer) -> None:
        # A second step of one optimizer is the next turn; what led to it belongs there.
        if self.seen.loader is None and optimizer in self.seen.steps:
            self.seen.cut()
            self.end("training")
        self._stepping = True
        self.seen.stepping(optimizer)

    def stepped(self, optimizer: Optimizer) -> None:
        self._stepping = False
        self.seen.stepped(optimizer)

    def ended(self, why: str) -> None:
        """The script is over in this process."""
        self.end("training" if self.seen.steps or self._updated() else why)

    def end(self, verdict: str) -> NoReturn:
        """Report and end the process."""
        host = self.host
        if verdict == "training":
            host.watch.ignore_calls()
            host.watch.listener = Listener()
            host.observed(self.seen)
        host.channel.send("verdict", verdict)
        host.finish()

    def _updated(self) -> bool:
        """Whether the script has updated parameters by hand."""
        return (
            not self.seen.steps and not self._stepping and written(self._versions, by_value=self._by_hand())
        )

    def differentiated(self, outputs: tuple[torch.Tensor, ...], inputs: tuple[torch.Tensor, ...]) -> None:
        self._differentiated = True
        if self._by_hand() and (leaves := versions_of(inputs)):
            if self.seen.loader is None and self._updated():
                self.end("training")
            self.seen.backward(outputs)
            self._versions = leaves
        elif any(isinstance(entry, torch.nn.Parameter) for entry in inputs):
            self.seen.differentiated(outputs)

    def _trained(self) -> bool:
        """Whether anything was differentiated."""
        return self._differentiated or bool(self.seen.losses)

    def _patient(self) -> bool:
        """Whether so many calls may still belong to one iteration."""
        if self.seen.steps:
            return self.calls <= _CALLS
        if self._trained():
            return self.calls <= _BACK
        signs = self.host.signs
        return self.calls <= max(_CALLS, 2 * signs) or (
            signs <= 1 and time.perf_counter() - self._began < _FIRST
        )

    def _ahead(self) -> bool:
        """Whether the batches may have been taken for later."""
        return not self.calls and self.given <= _AHEAD and time.perf_counter() - self._began < _SECONDS

    def _by_hand(self) -> bool:
        """Whether there is no optimizer that could do it."""
        return not self.host.watch.living_optimizers()
