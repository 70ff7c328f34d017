"""`--against`: two scripts, run one after the other from the same chance and weights: where do they part?"""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, Progress, capture
from nnlint.experiments.reference import READS, WRITES, Comparison, Run, traced
from nnlint.finding import NotRun


class AgainstError(Exception):
    """A reference that cannot be run; the message is one line."""


@dataclass(frozen=True, slots=True)
class Against:
    """The other script; without arguments of its own it gets the first one's."""

    target: str
    arguments: tuple[str, ...] | None = None


def against(text: str) -> Against:
    """What `other.py` or `"other.py --its own"` names; AgainstError if there is no such file."""
    try:
        words = [text] if Path(text).is_file() else shlex.split(text)
    except ValueError as error:
        raise AgainstError(f"--against {text}: {error}") from None
    if not words or not Path(words[0]).is_file():
        raise AgainstError(f"--against {words[0] if words else text}: no such file")
    return Against(words[0], tuple(words[1:]) or None)


def compare(request: Request, other: Against, progress: Callable[[Progress], None] | None = None) -> Capture:
    """Run both scripts for some steps; what each did is in `comparison`. The rest is the first one's.

    What could not be done is in `not_run`, under the name of the script that it is about.
    """
    deadline = time.monotonic() + request.seconds
    with tempfile.TemporaryFile() as file:
        shared = replace(request, aligned=True, descriptors=(file.fileno(),))
        first = replace(shared, seconds=request.seconds / 2)
        arguments = request.arguments if other.arguments is None else other.arguments
        second = replace(shared, target=other.target, arguments=arguments, module=False)
        entry = traced(file.fileno(), WRITES)
        ours = capture(first, (entry,), _named(progress, request.target))
        run = _run(ours, entry, request.target)
        if run is None:
            return ours
        entry = traced(file.fileno(), READS)
        left = max(deadline - time.monotonic(), 1.0)
        theirs = capture(replace(second, seconds=left), (entry,), _named(progress, other.target))
    theirs_run = _run(theirs, entry, other.target)
    ours.not_run += theirs.not_run
    ours.seconds += theirs.seconds
    if theirs_run is None:
        ours.output = theirs.output
    else:
        ours.comparison = Comparison((request.target, other.target), run, theirs_run)
    return ours


def _run(seen: Capture, entry: Continuation, target: str) -> Run | None:
    """What the script did; if nothing, that is said."""
    trajectory = seen.trajectories.get(entry.name)
    run = trajectory.measure(Run) if trajectory is not None else None
    if run is None and not seen.not_run:
        ended = trajectory.ended if trajectory is not None else "nothing was seen"
        seen.not_run.append(NotRun("comparison", f"no step was seen: {ended}", target))
    return run


def _named(progress: Callable[[Progress], None] | None, name: str) -> Callable[[Progress], None] | None:
    if progress is None:
        return None
    return lambda entry: progress(replace(entry, name=name))
