"""One run on another machine: what it is told, and what it answers, as values that survive JSON."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import nnlint
from nnlint.capture.plan import Continuation, FirstStep, Request, Trajectory, from_json, to_json
from nnlint.capture.supervise import Capture
from nnlint.executors.local import Local
from nnlint.finding import NotRun

# It changes how torch divides its sums, and so their last digits; Ray sets it for its workers.
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True, slots=True)
class Task:
    """A run: what to do, in which folder, until when by the wall clock, and beside how many others.

    `digest` tells the script's contents, "" where no file is the script; `threads` is OMP_NUM_THREADS as the
    user has set it.
    """

    request: Request
    continuations: tuple[Continuation, ...]
    beside: int
    folder: str
    digest: str
    version: str
    threads: str
    until: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run has shown: a Capture without what one machine alone makes of several runs."""

    first_step: FirstStep | None
    later_steps: tuple[FirstStep, ...]
    trajectories: tuple[Trajectory, ...]
    not_run: tuple[NotRun, ...]
    output: str
    seconds: float
    rerun: bool
    shelter: str


def task(request: Request, continuations: Sequence[Continuation], beside: int) -> str:
    """The run as a line of JSON, to begin now."""
    return to_json(
        Task(
            request,
            tuple(continuations),
            beside,
            str(Path.cwd()),
            _digest(request),
            nnlint.__version__,
            os.environ.get(_THREADS, ""),
            time.time() + request.seconds,
        )
    )


def perform(text: str) -> str:
    """Do what `task` has written, on whatever machine this is; the answer as a line of JSON."""
    wanted = from_json(Task, text)
    seen = _perform(wanted)
    return to_json(
        Answer(
            seen.first_step,
            tuple(seen.later_steps),
            tuple(seen.trajectories.values()),
            tuple(seen.not_run),
            seen.output,
            seen.seconds,
            seen.rerun,
            seen.shelter,
        )
    )


def answered(text: str) -> Capture:
    """What `perform` has written."""
    answer = from_json(Answer, text)
    return Capture(
        answer.first_step,
        later_steps=list(answer.later_steps),
        trajectories={entry.name: entry for entry in answer.trajectories},
        not_run=list(answer.not_run),
        output=answer.output,
        seconds=answer.seconds,
        rerun=answer.rerun,
        shelter=answer.shelter,
    )


def _perform(wanted: Task) -> Capture:
    request = wanted.request
    here = Path.cwd()
    try:
        if why := _differs(wanted):
            return Capture(not_run=[NotRun("the script", why, request.target)])
        os.environ.pop(_THREADS, None)
        if wanted.threads:
            os.environ[_THREADS] = wanted.threads
        # A run that takes the place of a lost one has the rest of its time; a clock that is wrong gives none.
        seconds = min(request.seconds, wanted.until - time.time())
        request = replace(request, seconds=max(seconds, 0.0))
        return Local().capture(request, wanted.continuations, wanted.beside, None, Event())
    finally:
        os.chdir(here)


def _differs(wanted: Task) -> str:
    """Enter the folder; why this machine is not like the one that asks, or nothing."""
    machine, folder = socket.gethostname(), wanted.folder
    if wanted.version != nnlint.__version__:
        return f"{machine} has nnlint {nnlint.__version__}, not {wanted.version}"
    try:
        os.chdir(folder)
    except OSError:
        return f"{machine} has no folder {folder}: the machines must share the script's folder"
    if _digest(wanted.request) != wanted.digest:
        what = f"{wanted.request.target} in {folder}"
        return f"{machine} has not the same {what}: the machines must share the script's folder"
    return ""


def _digest(request: Request) -> str:
    if request.module:
        return ""
    try:
        return hashlib.blake2b(Path(request.target).read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return "missing"
