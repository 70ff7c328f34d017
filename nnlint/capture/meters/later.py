"""Finds training that comes later, by other optimizers: the loop that matters may follow a pre-training."""

from __future__ import annotations

import signal
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnlint.capture.forks import fork, heard
from nnlint.capture.meter import Meter
from nnlint.capture.plan import FirstStep, Place, from_json
from nnlint.capture.probe import Probe
from nnlint.capture.watch import user_place

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# So many tries, each a forked process that goes on for one iteration, and so many seconds for each.
_TRIES, _PATIENCE = 16, 5
# So many first steps are reported after the first one.
_MOST = 3


class LaterMeter(Meter):
    """Reports each as "later_step", in the form of the first one."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._passes: weakref.WeakSet[Batches] = weakref.WeakSet()
        self._tries = self._found = 0
        self._calls, self._next = 0, 1
        # What has stepped, and all that it held.
        self._stepped: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._held: list[torch.Tensor] = []
        # Where an optimizer was built, and the models of its turn: folds and trials repeat them.
        self._known: set[tuple[Place | None, frozenset[str]]] = set()
        self._called: set[str] = set()

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if not self.runner.host.plan.fork:
            self._tries = _TRIES
            self.runner.enough(self, "needs processes that can be forked")

    def given(self, batches: Batches, batch: Any) -> None:
        if batches in self._passes:
            return
        self._passes.add(batches)
        if self._fresh():
            self._calls, self._next = 0, 1
            self._try(lambda: self._probe("loader", batches, batch))

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        if not torch.is_grad_enabled():
            return
        self._called.add(type(root).__name__)
        if not root.training or not self._fresh() or any(not passing.ended for passing in self._passes):
            return
        # At the first, second, fourth, eighth … sign, as a script may call often before it trains.
        self._calls += 1
        if self._calls >= self._next:
            self._next *= 2
            self._try(lambda: self._probe("call", None, None).calling(root, args, kwargs))

    def stepped(self, optimizer: Optimizer) -> None:
        if optimizer not in self._stepped:
            self._stepped.add(optimizer)
            self._held += [parameter for group in optimizer.param_groups for parameter in group["params"]]
            place = self.runner.host.watch.built.get(optimizer)
            self._known.add((place, frozenset(self._called)))
        self._called.clear()

    def _fresh(self) -> bool:
        """Whether the script has an optimizer that has not stepped, beside one that has."""
        if not self._stepped and not self.runner.steps:
            return False
        living = self.runner.host.watch.living_optimizers()
        return self._tries < _TRIES and any(optimizer not in self._stepped for optimizer in living)

    def _probe(self, trigger: str, batches: Batches | None, batch: Any) -> Probe:
        probe = Probe(self.runner.host, trigger, user_place(), batches, batch)
        probe.seen.earlier = self._held
        self.runner.hand_over(probe)
        return probe

    def _try(self, go_on: Any) -> None:
        self._tries += 1
        host = self.runner.host
        known = [optimizer in self._stepped for optimizer in host.watch.living_optimizers()]
        pid, pipe = fork()
        if pid == 0:
            host.channel.replace(pipe)
            # What it writes in one iteration stays in this continuation's own layer.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_PATIENCE)
            go_on()
            return
        lines, _ = heard(pid, pipe)
        found = next((line.partition(b"\t")[2] for line in lines if line.startswith(b"first_step\t")), None)
        if found is not None and self._is_new(from_json(FirstStep, found.decode()), known):
            self._found += 1
            host.channel.send("later_step", found.decode())
            if self._found >= _MOST:
                self._tries = _TRIES
                self.runner.enough(self, "enough was seen")

    def _is_new(self, step: FirstStep, known: list[bool]) -> bool:
        known = known + [False] * (len(step.optimizers) - len(known))
        # A network whose turn comes less often belongs to the pair that steps beside it.
        if not any(entry.steps for entry in step.optimizers) or any(
            entry.steps and old for entry, old in zip(step.optimizers, known, strict=True)
        ):
            return False
        names = frozenset(root.class_name for root in step.roots)
        pairs = {(entry.place, names) for entry in step.optimizers if entry.steps}
        if pairs & self._known:
            return False
        self._known |= pairs
        return True
