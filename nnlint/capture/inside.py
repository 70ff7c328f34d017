"""A model and its loss, or a function that trains, in place of a script: a process of their own trains them,
watched like a script.

The process is a fork of the caller's, so that nothing has to be copied or handed over, and nothing that
happens in it is seen by the caller: not its random state, modes, gradients, buffers, hooks. Where the
caller's process cannot be forked, a fresh one is given copies.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import torch
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from nnlint.capture import batch as batches_of
from nnlint.capture.channel import Channel
from nnlint.capture.launch import describe_error
from nnlint.capture.plan import Place, Plan, from_json, to_json
from nnlint.capture.runner import load
from nnlint.capture.shelter import jail, ways
from nnlint.capture.supervise import Child

# Without a loader that can be handed over, so many of its batches are.
_BATCHES = 64


class AuditError(Exception):
    """What was given cannot be trained on; the message is one line."""


@dataclass(slots=True)
class Subject:
    """What is to be trained: `loss_fn(model(*inputs), target)` for each batch, or `step(model, batch)`."""

    model: torch.nn.Module
    loss_fn: Callable[..., torch.Tensor] | None
    data: Any
    optimizer: Optimizer | None
    step: Callable[[torch.nn.Module, Any], torch.Tensor] | None
    place: Place | None

    def loss(self, batch: Any) -> torch.Tensor:
        """The loss of one batch, as a training loop would compute it."""
        if self.step is not None:
            return self.step(self.model, batch)
        if self.loss_fn is None:
            raise AuditError("give a loss_fn, or a step")
        if isinstance(batch, Mapping) or not isinstance(batch, (list, tuple)) or len(batch) < 2:
            kind = batches_of.describe(batch)
            raise AuditError(f"a batch is (inputs…, target), not {kind}: give step=lambda model, batch: loss")
        *inputs, target = batch
        return self.loss_fn(self.model(*inputs), target)

    def batches(self) -> Iterator[Any]:
        """Batches without an end: of a loader epoch after epoch, or the one batch again and again."""
        if not isinstance(self.data, (list, tuple)) and isinstance(self.data, Iterable):
            if isinstance(self.data, torch.Tensor):
                raise AuditError("give a batch (inputs, target) or a loader, not one tensor")
            for _ in itertools.count():
                empty = True
                for batch in self.data:
                    empty = False
                    yield batch
                if empty:
                    return
        elif self.data and all(isinstance(part, (list, tuple, Mapping)) for part in self.data):
            yield from itertools.cycle(self.data)
        else:
            yield from itertools.repeat(self.data)


def cannot_fork(model: torch.nn.Module | None = None) -> str:
    """Why the calling process cannot be forked to train this; empty if it can."""
    if sys.platform != "linux":
        return "this system's processes do not survive a fork once torch has threads"
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return "an accelerator is in use, and a forked process cannot use it"
    tensors = [*model.parameters(), *model.buffers()] if model is not None else []
    if any(tensor.device.type not in ("cpu", "meta") for tensor in tensors):
        return "the model is on an accelerator, which a forked process cannot use"
    return ""


class _Forked:
    """A forked process as subprocess.Popen would describe it."""

    def __init__(self, pid: int, stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = stdout
        self._code: int | None = None

    def terminate(self) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._code is None:
            pid, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
            else:
                time.sleep(0.01)
        return self._code


def forked(play: Callable[[Plan, Channel], NoReturn]) -> Callable[[Plan, int, int], Child]:
    """Begins the process as a fork of this one, which then plays its part."""

    def begin(plan: Plan, writing: int, _: int) -> Child:
        # Here once, instead of in every process that is forked from now on.
        importlib.import_module("nnlint.capture.host")
        for continuation in plan.continuations:
            load(continuation)
        reading, output = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        with warnings.catch_warnings():
            # Other threads may hold locks; ours, and torch's with one thread, do not.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                os.close(reading)
                nothing = os.open(os.devnull, os.O_RDONLY)
                os.dup2(nothing, 0)
                os.dup2(output, 1)
                os.dup2(output, 2)
                sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
                play(plan, Channel(writing))
            os._exit(1)
        os.close(output)
        return _Forked(pid, io.FileIO(reading, "r"))

    return begin


def copied(subject: Subject) -> Callable[[Plan, int, int], Child]:
    """Begins a fresh process with copies on the CPU; AuditError if something cannot be copied."""
    data = subject.data
    if not isinstance(data, (list, tuple)):
        data = list(itertools.islice(data, _BATCHES))
    parts = (subject.model, subject.loss_fn, data, subject.optimizer, subject.step)
    with tempfile.NamedTemporaryFile(delete=False, prefix="nnlint-", suffix=".pt") as file:
        path = Path(file.name)
        try:
            torch.save(parts, file)
        except Exception as error:
            path.unlink()
            raise AuditError(f"a fresh process cannot be given copies: {error}") from None

    def begin(plan: Plan, writing: int, asking: int) -> Child:
        place = subject.place or Place("", 1)
        code = "import sys; from nnlint.capture.inside import fresh; fresh(*sys.argv[1:])"
        return subprocess.Popen(
            [sys.executable, "-c", code, path, to_json(plan), str(writing), place.filename, str(place.row)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(entry or "." for entry in sys.path)},
            pass_fds=(writing, asking),
            start_new_session=True,
        )

    return begin


def fresh(path: str, plan: str, pipe: str, filename: str, row: str) -> NoReturn:
    """What a fresh process does with what `copied` has saved."""
    channel = Channel(int(pipe))
    try:
        parts = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        channel.send("end", f"a fresh process cannot be given copies: {error}; define them in a module")
        os._exit(0)
    finally:
        Path(path).unlink()
    model, loss_fn, data, optimizer, step = parts
    subject = Subject(model, loss_fn, data, optimizer, step, Place(filename, int(row)))
    training(subject)(from_json(Plan, plan), channel)


def _stay(name: str) -> None:
    """The caller's own objects are trained, in the caller's own place: there are no layers to branch off."""


def training(subject: Subject) -> Callable[[Plan, Channel], NoReturn]:
    """A training loop of ours, in a process of its own; it reports through the channel."""
    return lambda plan, channel: _train(subject, plan, channel)


def calling(train: Callable[[], object]) -> Callable[[Plan, Channel], NoReturn]:
    """The caller's own function in a process of its own, kept from changing files as a script is."""
    return lambda plan, channel: _call(train, plan, channel)


def _begun() -> None:
    """What a process does first that is forked from the caller's."""
    # The caller's OpenMP threads do not exist here: a parallel region would wait for them for ever.
    torch.set_num_threads(1)
    jail.die_with_parent()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 5000))


def _call(train: Callable[[], object], plan: Plan, channel: Channel) -> NoReturn:
    _begun()
    try:
        way, branch = ways.enter(plan.request.shelter, (Path.cwd(),), plan.memory // 2)
    except (ways.ShelterError, OSError) as error:
        channel.send("end", f"the function cannot be kept from changing files here: {error}")
        os._exit(0)
    channel.send("sheltered", way)
    from nnlint.capture.host import Host

    torch.manual_seed(plan.seed)
    host = Host(plan, channel, branch)
    # What was built before this.
    for known in gc.get_objects():
        if issubclass(type(known), Optimizer):
            host.watch.optimizers.append(weakref.ref(known))
        elif issubclass(type(known), DataLoader):
            host.watch.loaders.append(weakref.ref(known))
    why = "the function returned"
    try:
        train()
    except BaseException as error:
        traceback.print_exc()
        why = f"it raised {describe_error(error)}"
    host.watch.listener.ended(why)
    os._exit(0)


def _train(subject: Subject, plan: Plan, channel: Channel) -> NoReturn:
    _begun()
    from nnlint.capture.host import Host

    torch.manual_seed(plan.seed)
    host = Host(plan, channel, _stay)
    why = "the batches ended"
    try:
        subject.model.train()
        optimizer = subject.optimizer
        if optimizer is None:
            optimizer = torch.optim.Adam(subject.model.parameters(), lr=1e-3)
        else:
            host.watch.optimizers.append(weakref.ref(optimizer))
        host.watch.built[optimizer] = subject.place
        if isinstance(subject.data, DataLoader):
            host.watch.loaders.append(weakref.ref(subject.data))
            host.watch.built[subject.data] = subject.place
        with torch.enable_grad():
            for batch in subject.batches():
                optimizer.zero_grad()
                subject.loss(batch).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    except AuditError as error:
        channel.send("end", str(error))
        os._exit(0)
    except BaseException as error:
        traceback.print_exc()
        why = f"it raised {describe_error(error)}"
    host.watch.listener.ended(why)
    os._exit(0)
