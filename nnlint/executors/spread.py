"""The continuations of one script, dealt to several runs of it: each begins anew, under the same seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, Progress
from nnlint.executors.executor import Executor
from nnlint.finding import NotRun

# With less time than this no script comes to its first training step, in seconds.
_LEAST = 2.0


def spread(
    executor: Executor,
    request: Request,
    continuations: Sequence[Continuation],
    progress: Callable[[Progress], None] | None = None,
    more: Callable[[Capture], Sequence[Continuation]] | None = None,
) -> Capture:
    """What `capture` would show of the script, with the work divided over the executor's slots.

    KeyboardInterrupt ends the runs first.
    """
    started = time.monotonic()
    whole = Capture()
    known: set[str] = set()
    wanted = tuple(continuations)
    while True:
        known.update(entry.name for entry in wanted)
        left = request.seconds - (time.monotonic() - started)
        if left < _LEAST and whole.first_step is not None:
            why = "the time was over (see --budget)"
            whole.not_run += [NotRun(f"continuation {entry.name}", why, request.target) for entry in wanted]
            break
        _round(executor, replace(request, seconds=left), dealt(wanted, executor.slots), progress, whole)
        found = more(whole) if more is not None and whole.first_step is not None else ()
        wanted = tuple(entry for entry in found if entry.name not in known)
        if not wanted:
            break
    whole.seconds = time.monotonic() - started
    return whole


def dealt(continuations: Sequence[Continuation], slots: int) -> list[list[Continuation]]:
    """The continuations in at most so many groups that take about as long; at least one group."""
    groups: list[list[Continuation]] = [[] for _ in range(max(1, min(slots, len(continuations))))]
    for entry in sorted(continuations, key=lambda entry: -entry.seconds):
        min(groups, key=lambda group: (sum(other.seconds for other in group), len(group))).append(entry)
    return groups


def _round(
    executor: Executor,
    request: Request,
    groups: list[list[Continuation]],
    progress: Callable[[Progress], None] | None,
    whole: Capture,
) -> None:
    """Run the groups side by side, and add what they show."""
    stop = Event()
    with ThreadPoolExecutor(len(groups)) as pool:
        futures = [
            pool.submit(executor.capture, request, group, len(groups), progress, stop) for group in groups
        ]
        try:
            seen = [future.result() for future in futures]
        except BaseException:
            stop.set()
            raise
    _add(whole, groups, seen, request.target)


def _add(
    whole: Capture, groups: Sequence[Sequence[Continuation]], seen: Sequence[Capture], target: str
) -> None:
    if whole.first_step is None:
        best = next((part for part in seen if part.first_step is not None), seen[0])
        whole.first_step, whole.output, whole.shelter = best.first_step, best.output, best.shelter
    for group, part in zip(groups, seen, strict=True):
        whole.later_steps += part.later_steps
        whole.trajectories.update(part.trajectories)
        whole.rerun |= part.rerun
        said = part.not_run
        if part.first_step is None and whole.first_step is not None:
            # The others came to the first step, and this run did not: what it was for is missing.
            why = next((entry.why for entry in said), "the run ended early")
            said = [NotRun(f"continuation {entry.name}", why, target) for entry in group]
        whole.not_run += [entry for entry in said if entry not in whole.not_run]
