"""The process that runs the script: finds the first training iteration, and forks what observes it.

Three listeners take turns. The `Scout` runs the script and never trains: where a training iteration may
begin (a candidate) it forks a `Probe`, which goes on for one iteration and reports. If that was training, the
scout forks the continuations, each a `Runner`, and ends; if not, it goes on to the next candidate.
"""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch.optim import Optimizer

from nnlint.capture import stillness
from nnlint.capture.channel import Channel
from nnlint.capture.forks import describe, ended, fork, heard
from nnlint.capture.loads import Loads
from nnlint.capture.observe import Observation
from nnlint.capture.plan import Continuation, Place, Plan, to_json
from nnlint.capture.probe import Probe
from nnlint.capture.rounds import further
from nnlint.capture.runner import Runner
from nnlint.capture.versions import versions_of
from nnlint.capture.watch import Batches, Listener, Watch, user_place


class Host:
    """What the listeners share: the plan, the hooks, the way to the supervisor, and how to fork."""

    def __init__(self, plan: Plan, channel: Channel, branch: Callable[[str], None]) -> None:
        self.plan = plan
        self.channel = channel
        self.branch = branch
        self.watch = Watch(Listener())
        self.watch.aligned = plan.request.aligned
        self.watch.listener = Scout(self)
        self.watch.install()
        self.loads = Loads()
        self.loads.install()
        self._numbers = 0
        # How many calls and backwards there have been that might have begun training.
        self.signs = 0

    def number(self) -> int:
        """The next candidate's number; the same in every run of the script under one seed."""
        self._numbers += 1
        return self._numbers - 1

    def observed(self, seen: Observation) -> None:
        """A probe has seen training: say what."""
        self.channel.send("first_step", to_json(seen.first_step()))

    def finish(self) -> NoReturn:
        """End this process here, whatever the script has around us."""
        self.channel.close()
        os._exit(0)


class Scout(Listener):
    """Runs the script as it is until a candidate proves to be training."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._open: weakref.WeakSet[Batches] = weakref.WeakSet()
        # Asking at every call, or backward, would cost a fork each; a script that never trains calls often.
        self._seen = 0
        self._next = 1
        # Whether a process that is forked lacks threads which the script has started.
        self._missing = False

    def next_batch(self, batches: Batches) -> Any:
        if not self.host.plan.fork and threading.current_thread() is not threading.main_thread():
            # It reads ahead for a loop elsewhere, which shows itself by its calls.
            return next(batches.inner)
        try:
            batch = next(batches.inner)
        except StopIteration:
            self._open.discard(batches)
            raise
        if batches.given == 0:
            self._open.add(batches)
            self.candidate("loader", batches, batch)
            # Here we may have become a probe or a runner, and the batch may be another.
            return self.host.watch.listener.first_batch(batches, batch)
        return batch

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if self._open or not root.training or not torch.is_grad_enabled():
            return None
        if not any(parameter.requires_grad for parameter in root.parameters()):
            return None
        if self._due():
            self.candidate("call", None, None)
        return self.host.watch.listener.calling(root, args, kwargs) if self.changed else None

    def stepping(self, optimizer: Optimizer) -> None:
        # Training began in a way that none of the other signs has shown.
        self.candidate("step", None, None)
        if not self.changed:
            self.host.channel.send("end", "an optimizer stepped where its first step could not be watched")
            self.host.finish()
        self.host.watch.listener.stepping(optimizer)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        # Only tensors, no module: this is as early as such a script can be recognised.
        if not self._open and self._due():
            self.candidate("backward", None, None)
            if self.changed:
                self.host.watch.listener.backward(losses)

    def differentiated(self, outputs: tuple[torch.Tensor, ...], inputs: tuple[torch.Tensor, ...]) -> None:
        # As for backward; where there is a module, its call has been the sign already.
        if not self._open and versions_of(inputs) and self._due():
            self.candidate("backward", None, None)
            if self.changed:
                self.host.watch.listener.differentiated(outputs, inputs)

    def _due(self) -> bool:
        """Whether it is time to try: at the first, second, fourth, eighth … sign."""
        self._seen += 1
        self.host.signs = self._seen
        if self._seen < self._next:
            return False
        self._next *= 2
        return True

    def ended(self, why: str) -> None:
        """The script is over, and no training was found."""
        self.host.channel.send("end", f"{why} before its first training step")
        self.host.finish()

    @property
    def changed(self) -> bool:
        """Whether this process has been forked, and plays another part now."""
        return self.host.watch.listener is not self

    def candidate(self, trigger: str, batches: Batches | None, batch: Any) -> None:
        """Find out by forking whether training begins here. Returns in the children, and if it does not."""
        host = self.host
        number = host.number()
        place = user_place()
        if torch.cuda.is_initialized() and host.plan.fork:  # type: ignore[no-untyped-call]
            host.channel.send("cannot_fork", "an accelerator is in use, and a forked process cannot use it")
            host.finish()
        if not host.plan.fork:
            if number == host.plan.at:
                self._become(host.plan.role, trigger, place, batches, batch)
            return
        self._missing = stillness.others() > 0
        verdict = self._fork(f"probe {number}", lambda: self._become("probe", trigger, place, batches, batch))
        if verdict == "training":
            self._continue(trigger, place, batches, batch)

    def _continue(self, trigger: str, place: Place | None, batches: Batches | None, batch: Any) -> None:
        """Run every continuation and those asked for then, and end; returns only in the children."""
        host = self.host
        wanted = host.plan.continuations
        while wanted:
            self._round(wanted, trigger, place, batches, batch)
            if self.changed:
                return
            wanted = further(host.plan, host.channel)
            host.plan = replace(host.plan, continuations=host.plan.continuations + wanted)
        host.channel.send("end", "done")
        host.finish()

    def _round(
        self,
        wanted: tuple[Continuation, ...],
        trigger: str,
        place: Place | None,
        batches: Batches | None,
        batch: Any,
    ) -> None:
        """Run these continuations, so many at a time; returns at once in the children."""
        host = self.host
        waiting = list(wanted)
        running: dict[int, tuple[int, Continuation]] = {}
        read: dict[int, bytes] = {}
        while waiting or running:
            while waiting and len(running) < host.plan.workers:
                continuation = waiting.pop(0)
                pid, pipe = fork()
                if pid == 0:
                    self._prepare(continuation.name, pipe)
                    self._become(continuation.name, trigger, place, batches, batch)
                    return
                running[pipe] = (pid, continuation)
            for pipe in select.select(list(running), [], [])[0]:
                if data := os.read(pipe, 65536):
                    *lines, read[pipe] = (read.get(pipe, b"") + data).split(b"\n")
                    for line in lines:
                        host.channel.pass_on(line)
                    continue
                pid, continuation = running.pop(pipe)
                read.pop(pipe, None)
                os.close(pipe)
                if code := ended(pid):
                    host.channel.send("died", f"{continuation.name}\t{describe(code)}")

    def _fork(self, name: str, play: Callable[[], None]) -> str | None:
        """Fork a process that plays a part; wait for it. What it says last, or None if it died in silence."""
        host = self.host
        pid, pipe = fork()
        if pid == 0:
            self._prepare(name, pipe)
            play()
            return None
        lines, code = heard(pid, pipe)
        verdict = None
        for line in lines:
            if line.startswith(b"verdict\t"):
                verdict = line.removeprefix(b"verdict\t").decode()
            host.channel.pass_on(line)
            if line.startswith(b"cannot_fork\t"):
                host.finish()
        if verdict is None:
            host.channel.send("died", f"probe\t{describe(code)}")
        return verdict

    def _prepare(self, name: str, pipe: int) -> None:
        """What a forked process does first."""
        self.host.channel.replace(pipe)
        self.host.branch(name)

    def _become(
        self, role: str, trigger: str, place: Place | None, batches: Batches | None, batch: Any
    ) -> None:
        # More threads do not help a small step, and the processes beside this one need the cores.
        torch.set_num_threads(1)
        if role == "probe":
            self.host.watch.listener = Probe(self.host, trigger, place, batches, batch)
        else:
            continuation = next(entry for entry in self.host.plan.continuations if entry.name == role)
            self.host.watch.listener = Runner(self.host, continuation, trigger, batches, batch)
        listener = self.host.watch.listener
        stillness.watch(self._missing, self._still, self.host.plan.deadline, listener.late)

    def _still(self) -> None:
        """Nothing has happened in this process, which was forked, for long."""
        if self._missing:
            self.host.channel.send("cannot_fork", "threads of the script are missing in a forked process")
            self.host.finish()
        self.host.watch.listener.still()
