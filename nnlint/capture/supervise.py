"""Starts the process that runs the script, listens to it, and ends it when its time is over.

Runs in nnlint's own process and never imports torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import IO, TYPE_CHECKING, Protocol

from nnlint.capture.launch import PIPE, PLAN
from nnlint.capture.plan import (
    Continuation,
    FirstStep,
    Further,
    Plan,
    Request,
    Trajectory,
    from_json,
    to_json,
)
from nnlint.capture.shelter.ways import DEPTHS
from nnlint.experiments.ranks import Rank
from nnlint.finding import NotRun

if TYPE_CHECKING:
    from nnlint.experiments.capacity import Search
    from nnlint.experiments.reference import Comparison

# Of what the script prints, this much is kept to explain an early end.
_TAIL = 64 * 1024
# Candidates that are tried one run each where processes cannot be forked.
_RERUNS = 8
# The kernel ends the script's processes after their first one; that takes moments.
_GONE = 5.0
# How often the memory is looked at, in seconds.
_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a continuation is."""

    name: str
    steps: int
    loss: float


@dataclass(slots=True)
class Capture:
    """What was seen of a script."""

    first_step: FirstStep | None = None
    # What each of several processes held after it.
    ranks: list[Rank] = field(default_factory=list)
    # Those of loops that came after it, with other optimizers.
    later_steps: list[FirstStep] = field(default_factory=list)
    trajectories: dict[str, Trajectory] = field(default_factory=dict)
    not_run: list[NotRun] = field(default_factory=list)
    # The graph of a model that was traced instead, as JSON of nnlint.graph.nodes.
    traced: str = ""
    # The end of what the script printed.
    output: str = ""
    seconds: float = 0.0
    # Whether each continuation had to run the script again from its start.
    rerun: bool = False
    # How the script was kept from changing files: "namespaces", "landlock" or "audit".
    shelter: str = ""
    # What came of several capacities, and of a comparison, where they were asked for.
    search: Search | None = None
    comparison: Comparison | None = None

    @property
    def first_steps(self) -> tuple[FirstStep, ...]:
        """The first step of each loop that trains, in order."""
        return (*((self.first_step,) if self.first_step else ()), *self.later_steps)


class Child(Protocol):
    """A process of ours, in a group of its own, as subprocess.Popen describes one."""

    @property
    def pid(self) -> int: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def terminate(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def _launched(plan: Plan, writing: int, asking: int) -> Child:
    """A fresh Python that runs the script."""
    return subprocess.Popen(
        [sys.executable, "-m", "nnlint.capture.launch"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, PLAN: to_json(plan), PIPE: str(writing), "PYTHONHASHSEED": "0"},
        pass_fds=(writing, asking, *plan.request.descriptors),
        # Its own group: Ctrl-C reaches us, and we end it and all that it has started.
        start_new_session=True,
    )


def attend(
    plan: Plan, begin: Callable[[Plan, int, int], Child], more: Callable[[Capture], Sequence[Continuation]]
) -> Capture:
    """What a process shows that `begin` starts: it is given the plan and two pipes, to speak and to hear."""
    started = time.monotonic()
    run = _Run(plan, Capture(), started + plan.request.seconds, False, None, begin, more)
    run.start(plan)
    run.complete()
    run.capture.seconds = time.monotonic() - started
    return run.capture


def capture(
    request: Request,
    continuations: Sequence[Continuation] = (),
    progress: Callable[[Progress], None] | None = None,
    more: Callable[[Capture], Sequence[Continuation]] | None = None,
    stop: Event | None = None,
    workers: int = 0,
) -> Capture:
    """Run the script to its first training step and through the continuations, within the request's limits.

    Once they are done, `more` says in the light of them which others to run, again and again until none.
    Up to `workers` of them run side by side; 0: one a core.
    Another thread may set `stop`, which ends it as if its time were over. Never raises for what the script
    does: that is said in `not_run`. KeyboardInterrupt ends the script first.
    """
    started = time.monotonic()
    if why := _missing():
        return Capture(not_run=[NotRun("the script", why, request.target)])
    from nnlint.capture.memory import allowance

    plan = Plan(
        request,
        tuple(continuations),
        # On macOS a process that has started threads, as torch does, does not survive a fork.
        fork=request.fork and sys.platform == "linux",
        workers=workers or os.cpu_count() or 1,
        memory=int(request.memory * 2**30) or allowance(),
    )
    run = _Run(plan, Capture(), started + request.seconds, request.verbose, progress, _launched, more, stop)
    if plan.fork or request.trace:
        run.start(plan)
        if run.cannot_fork:
            run.capture = Capture(rerun=True, shelter=run.capture.shelter)
            run.died.clear()
            run.cannot_fork = False
            run.again()
    else:
        run.capture.rerun = True
        run.again()
    run.complete()
    run.capture.seconds = time.monotonic() - started
    return run.capture


def _missing() -> str:
    """Why nothing can be run here; empty if it can."""
    if not hasattr(os, "fork"):
        return "needs Linux or macOS"
    if importlib.util.find_spec("psutil") is None:
        return "needs psutil and torch: pip install 'nnlint[run]'"
    return ""


@dataclass(slots=True)
class _Run:
    plan: Plan
    capture: Capture
    deadline: float
    verbose: bool
    progress: Callable[[Progress], None] | None
    begin: Callable[[Plan, int, int], Child]
    more: Callable[[Capture], Sequence[Continuation]] | None = None
    stop: Event | None = None
    # The end of the pipe by which the process that runs the script is told of more continuations.
    telling: int = -1
    cannot_fork: bool = False
    ended: str = ""
    verdict: str = ""
    died: dict[str, str] = field(default_factory=dict)
    late: bool = False
    # What the reader of an early end should know.
    note: str = ""
    # Where each of several ranks stood when the time was over.
    stood: str = ""
    # How many continuations were ended for want of memory and have not been spoken of yet.
    spilled: int = 0
    # How far below our child the process is that runs the script; -1 while that is not known.
    depth: int = -1

    def again(self) -> None:
        """Run the script from its start for each part: the probe at each candidate, the continuations."""
        for at in range(_RERUNS):
            self.verdict = self.ended = ""
            self.start(replace(self.plan, fork=False, role="probe", at=at))
            if self.verdict == "training":
                wanted = self.plan.continuations
                while wanted and not self.late:
                    for continuation in wanted:
                        self.start(replace(self.plan, fork=False, role=continuation.name, at=at))
                    wanted = self._further()
                return
            # Over before this candidate: there are no more.
            if self.ended or self.late:
                return

    def _further(self) -> tuple[Continuation, ...]:
        """What else is to be run, of what has not been; it becomes part of the plan."""
        known = {continuation.name for continuation in self.plan.continuations}
        wanted = self.more(self.capture) if self.more and self.capture.first_step else ()
        new = tuple(continuation for continuation in wanted if continuation.name not in known)
        self.plan = replace(self.plan, continuations=self.plan.continuations + new)
        return new

    def start(self, plan: Plan) -> None:
        """One child process, from its start to its end."""
        if time.monotonic() >= self.deadline:
            self.late = True
            return
        self.depth = -1
        reading, writing = os.pipe()
        asking, self.telling = os.pipe()
        plan = replace(plan, deadline=self.deadline)
        plan = replace(plan, asks=asking) if plan.fork and self.more else plan
        child = self.begin(plan, writing, asking)
        os.close(writing)
        os.close(asking)
        try:
            self._listen(child, reading, plan)
        finally:
            # It ends the others, where the kernel does not.
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_GONE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            _until_closed(reading, _GONE)
            os.close(reading)
            os.close(self.telling)
            if child.stdout:
                child.stdout.close()

    def complete(self) -> None:
        """Say what was asked for and did not happen."""
        say = self.capture.not_run
        if self.plan.request.trace:
            if not self.capture.traced:
                say.append(NotRun("trace", self._why(), self.plan.request.target))
            return
        if self.capture.first_step is None:
            say.append(NotRun("first training step", self._why(), self.plan.request.target))
            return
        for continuation in self.plan.continuations:
            if continuation.name not in self.capture.trajectories:
                why = self.died.get(continuation.name) or self._why()
                say.append(NotRun(f"continuation {continuation.name}", why, self.plan.request.target))

    def _why(self) -> str:
        note = f"; {self.note}" if self.note and self.capture.first_step is None else ""
        if self.late:
            return f"the time was over (see --budget){note}{self.stood}"
        ended = (
            self.ended or self.died.get("probe") or "the script ended its process before any training step"
        )
        return f"{ended}{note}"

    def _spill(self) -> str:
        return f"took more than {self.plan.memory / 2**30:.3g} GiB of memory (see --memory)"

    def _listen(self, child: Child, reading: int, plan: Plan) -> None:
        from nnlint.capture.memory import MemoryWatch

        memory = MemoryWatch(child.pid, plan.memory)
        looked = time.monotonic()
        selector = selectors.DefaultSelector()
        selector.register(reading, selectors.EVENT_READ)
        output = child.stdout
        if output is None:
            raise AssertionError("stdout is a pipe")
        selector.register(output, selectors.EVENT_READ)
        rest = b""
        tail = b""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0 or (self.stop is not None and self.stop.is_set()):
                self.late = True
                break
            if self.depth >= 0 and time.monotonic() - looked > _LOOK:
                looked = time.monotonic()
                spilled = memory.relieve(self.depth)
                self.spilled += spilled is False
                if spilled:
                    self.died[plan.role] = self._spill()
                    break
            for key, _ in selector.select(min(left, _LOOK)):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fd == reading:
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self._hear(line.decode(errors="replace"))
                else:
                    tail = self._printed(tail, data)
            # The pipe closes when the last process that speaks is gone; a daemon may keep stdout open.
            if reading not in selector.get_map() or self.cannot_fork:
                break
        # What it has printed last may be still on the way to us when it has spoken its last.
        while select.select([output], [], [], 0)[0] and (data := os.read(output.fileno(), 65536)):
            tail = self._printed(tail, data)
        self.capture.output = tail.decode(errors="replace")

    def _printed(self, tail: bytes, data: bytes) -> bytes:
        """The end of what the script has printed, now that it has printed this."""
        if self.verbose:
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
        return (tail + data)[-_TAIL:]

    def _hear(self, line: str) -> None:
        kind, _, text = line.partition("\t")
        if kind == "first_step":
            self.capture.first_step = from_json(FirstStep, text)
        elif kind == "rank":
            self.capture.ranks.append(from_json(Rank, text))
        elif kind == "stood":
            self.stood = f", with {text}"
        elif kind == "later_step":
            self.capture.later_steps.append(from_json(FirstStep, text))
        elif kind == "trajectory":
            trajectory = from_json(Trajectory, text)
            self.capture.trajectories[trajectory.name] = trajectory
        elif kind == "traced":
            self.capture.traced = text
        elif kind == "verdict":
            self.verdict = text
        elif kind == "died":
            name, _, why = text.partition("\t")
            if self.spilled and why.endswith("SIGKILL"):
                self.spilled -= 1
                self.died[name] = self._spill()
            else:
                self.died[name] = f"the script {why}"
        elif kind == "sheltered":
            self.capture.shelter = text
            self.depth = DEPTHS[text]
        elif kind == "failed":
            meter, _, why = text.partition("\t")
            self.capture.not_run.append(NotRun(f"measurement {meter}", why, self.plan.request.target))
        elif kind == "round":
            with contextlib.suppress(OSError):
                os.write(self.telling, to_json(Further(self._further())).encode() + b"\n")
        elif kind == "note":
            self.note = text
        elif kind == "cannot_fork":
            self.cannot_fork = True
        elif kind == "end":
            self.ended = text if text != "done" else ""
        elif kind == "progress" and self.progress:
            name, steps, loss = text.split("\t")
            self.progress(Progress(name, int(steps), float(loss)))


def _until_closed(pipe: int, seconds: float) -> None:
    """Wait until no process holds the writing end any more, for so long at the most."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0] and not os.read(pipe, 65536):
            return
