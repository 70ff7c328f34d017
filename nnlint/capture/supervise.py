"""Starts the process that runs the script, listens to it, and ends it when its time is over.

Runs in nnlint's own process and never imports torch.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nnlint.capture.launch import PIPE, PLAN
from nnlint.capture.plan import Continuation, FirstStep, Plan, Trajectory, from_json, to_json
from nnlint.finding import NotRun

# Of what the script prints, this much is kept to explain an early end.
_TAIL = 64 * 1024
# Candidates that are tried one run each where processes cannot be forked.
_RERUNS = 8


# The kernel ends the script's processes after their first one; that takes moments.
_GONE = 5.0


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
    trajectories: dict[str, Trajectory] = field(default_factory=dict)
    not_run: list[NotRun] = field(default_factory=list)
    # The end of what the script printed.
    output: str = ""
    seconds: float = 0.0
    # Whether each continuation had to run the script again from its start.
    rerun: bool = False


def capture(
    target: str,
    arguments: Sequence[str] = (),
    *,
    module: bool = False,
    continuations: Sequence[Continuation] = (),
    seconds: float = 60.0,
    cpu: bool = False,
    fork: bool = True,
    verbose: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Capture:
    """Run the script to its first training step and through the continuations, within `seconds` in all.

    Never raises for what the script does: that is said in `not_run`. KeyboardInterrupt ends the script first.
    """
    started = time.monotonic()
    plan = Plan(
        target,
        tuple(arguments),
        module=module,
        continuations=tuple(continuations),
        fork=fork and hasattr(os, "fork"),
        workers=os.cpu_count() or 1,
        cpu=cpu,
    )
    run = _Run(plan, Capture(), started + seconds, verbose, progress)
    if plan.fork:
        run.start(plan)
        if run.cannot_fork:
            run.capture.rerun = True
            run.again()
    else:
        run.capture.rerun = True
        run.again()
    run.complete()
    run.capture.seconds = time.monotonic() - started
    return run.capture


@dataclass(slots=True)
class _Run:
    plan: Plan
    capture: Capture
    deadline: float
    verbose: bool
    progress: Callable[[Progress], None] | None
    cannot_fork: bool = False
    ended: str = ""
    verdict: str = ""
    died: dict[str, str] = field(default_factory=dict)
    late: bool = False

    def again(self) -> None:
        """Run the script from its start for each part: the probe at each candidate, the continuations."""
        for at in range(_RERUNS):
            self.verdict = self.ended = ""
            self.start(replace(self.plan, fork=False, role="probe", at=at))
            if self.verdict == "training":
                for continuation in self.plan.continuations:
                    self.start(replace(self.plan, fork=False, role=continuation.name, at=at))
                return
            # Over before this candidate: there are no more.
            if self.ended or self.late:
                return

    def start(self, plan: Plan) -> None:
        """One child process, from its start to its end."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            self.late = True
            return
        reading, writing = os.pipe()
        environment = {**os.environ, PLAN: to_json(plan), PIPE: str(writing), "PYTHONHASHSEED": "0"}
        child = subprocess.Popen(
            [sys.executable, "-m", "nnlint.capture.launch"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(writing,),
            # Its own group: Ctrl-C reaches us, and we end it and all that it has started.
            start_new_session=True,
        )
        os.close(writing)
        try:
            self._listen(child, reading)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            _until_closed(reading, _GONE)
            os.close(reading)
            if child.stdout:
                child.stdout.close()

    def complete(self) -> None:
        """Say what was asked for and did not happen."""
        say = self.capture.not_run
        if self.capture.first_step is None:
            say.append(NotRun("first training step", self._why(), self.plan.target))
            return
        for continuation in self.plan.continuations:
            if continuation.name not in self.capture.trajectories:
                why = self.died.get(continuation.name) or self._why()
                say.append(NotRun(f"continuation {continuation.name}", why, self.plan.target))

    def _why(self) -> str:
        if self.late:
            return "the time was over (see --budget)"
        return self.ended or self.died.get("probe") or "the script ended its process before any training step"

    def _listen(self, child: subprocess.Popen[bytes], reading: int) -> None:
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
            if left <= 0:
                self.late = True
                break
            for key, _ in selector.select(min(left, 1.0)):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fd == reading:
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self._hear(line.decode(errors="replace"))
                else:
                    tail = (tail + data)[-_TAIL:]
                    if self.verbose:
                        sys.stderr.buffer.write(data)
                        sys.stderr.buffer.flush()
            # The pipe closes when the last process that speaks is gone; a daemon may keep stdout open.
            if reading not in selector.get_map():
                break
        self.capture.output = tail.decode(errors="replace")

    def _hear(self, line: str) -> None:
        kind, _, text = line.partition("\t")
        if kind == "first_step":
            self.capture.first_step = from_json(FirstStep, text)
        elif kind == "trajectory":
            trajectory = from_json(Trajectory, text)
            self.capture.trajectories[trajectory.name] = trajectory
        elif kind == "verdict":
            self.verdict = text
        elif kind == "died":
            name, _, why = text.partition("\t")
            self.died[name] = f"the script {why}"
        elif kind == "failed":
            meter, _, why = text.partition("\t")
            self.capture.not_run.append(NotRun(f"measurement {meter}", why, self.plan.target))
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
