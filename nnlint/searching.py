"""`--capacity`: the script, run with several capacities side by side, to find the smallest that overfits."""

from __future__ import annotations

import ast
import contextlib
import math
import re
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from nnlint.capture.constants import assignments
from nnlint.capture.plan import Continuation, Place, Request
from nnlint.capture.supervise import Capture, Progress
from nnlint.executors.executor import Executor
from nnlint.executors.local import Local
from nnlint.experiments.capacity import NAME, Memory, Search, Tried, given_up
from nnlint.finding import NotRun
from nnlint.notebook import is_notebook

# The share of a run's time that is left for its end, and the least, in seconds.
_ENDING, _LEAST = 0.1, 2.0


class CapacityError(Exception):
    """A capacity that cannot be varied; the message is one line."""


@dataclass(frozen=True, slots=True)
class Capacities:
    """What is varied, and its values, the smallest first."""

    name: str
    values: tuple[str, ...]


def capacities(text: str) -> Capacities:
    """What `hidden=8,16,32` names; CapacityError if it is something else."""
    name, _, listed = text.partition("=")
    values = tuple(dict.fromkeys(part.strip() for part in listed.split(",") if part.strip()))
    name = name.strip().lstrip("-")
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", name) or not values:
        raise CapacityError(f"--capacity takes NAME=VALUE,VALUE,…, as in hidden=8,16,32; not {text}")
    # Names of models stay in the order in which they are given.
    with contextlib.suppress(ValueError):
        values = tuple(sorted(values, key=float))
    return Capacities(name, values)


def search(
    request: Request,
    wanted: Capacities,
    progress: Callable[[Progress], None] | None = None,
    executor: Executor | None = None,
) -> Capture:
    """Train the script's model with each capacity on its training set; what came of it is in `search`.

    The `first_step` is that of the largest model. What could not be tried is in `not_run`. CapacityError for
    a constant that the script does not have.
    """
    return _Searching(request, wanted, progress, executor or Local()).run()


class _Searching:
    def __init__(
        self,
        request: Request,
        wanted: Capacities,
        progress: Callable[[Progress], None] | None,
        executor: Executor,
    ) -> None:
        self.executor = executor
        self.request = request
        self.wanted = wanted
        self.progress = progress
        self.constant, self.place = _found(request, wanted.name)
        self.started = time.monotonic()
        number = len(wanted.values)
        self.workers = min(number, executor.slots)
        self.seen: list[Capture | None] = [None] * number
        self.stops = [Event() for _ in range(number)]

    def run(self) -> Capture:
        """All of it. KeyboardInterrupt ends the scripts first."""
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(self._capture, at) for at in range(len(self.seen))]
            try:
                open_ones = set(futures)
                while open_ones:
                    done, open_ones = wait(open_ones, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._note(futures, future)
            except BaseException:
                self._stop(futures, -1)
                raise
        return self._summed_up()

    def _note(self, futures: list[Future[Capture]], future: Future[Capture]) -> None:
        """Look at a capacity that is done; what it makes superfluous is ended."""
        at = futures.index(future)
        if future.cancelled():
            return
        self.seen[at] = future.result()
        tried = self._tried(at)
        if tried.overfits or (not any(self.seen[:at]) and self._refused(at)):
            self._stop(futures, at)
        done = [self._tried(number) for number, seen in enumerate(self.seen) if seen is not None]
        if len(done) > at and all(self.seen[: at + 1]) and given_up(done[: at + 1]):
            self._stop(futures, at)

    def _stop(self, futures: list[Future[Capture]], after: int) -> None:
        for number in range(after + 1, len(futures)):
            self.stops[number].set()
            futures[number].cancel()

    def _capture(self, at: int) -> Capture:
        request = self.request
        now = time.monotonic()
        # So many rounds of runs side by side are still to come, this one included.
        rounds = math.ceil((len(self.seen) - at) / self.workers)
        seconds = max((self.started + request.seconds - now) / rounds, 1.0)
        name, value = self.wanted.name, self.wanted.values[at]
        if self.constant:
            varied = replace(request, constants=((name, _literal(value)),))
        else:
            varied = replace(request, arguments=(*request.arguments, f"--{name}", value))
        training = Continuation(
            NAME,
            "memorise",
            steps=10_000_000,
            seconds=seconds,
            values=(max(_LEAST, _ENDING * seconds),),
            meters=("capacity",),
        )
        told = self.progress

        def progress(entry: Progress) -> None:
            if told is not None:
                told(replace(entry, name=f"{name}={value}"))

        return self.executor.capture(
            replace(varied, seconds=seconds), (training,), self.workers, progress, self.stops[at]
        )

    def _tried(self, at: int) -> Tried:
        seen, value = self.seen[at], self.wanted.values[at]
        if seen is None or seen.first_step is None or NAME not in seen.trajectories:
            return Tried(value, why=_why(seen))
        parameters = sum(
            math.prod(parameter.shape) for root in seen.first_step.roots for parameter in root.parameters
        )
        memory = seen.trajectories[NAME].measure(Memory)
        if memory is None:
            return Tried(value, parameters, why=_why(seen))
        return Tried(value, parameters, memory, memory.unbounded)

    def _refused(self, at: int) -> bool:
        """Whether the script does not take what is varied, whatever the value."""
        seen = self.seen[at]
        return seen is not None and seen.first_step is None and self.wanted.name in _last_line(seen.output)

    def _summed_up(self) -> Capture:
        name, target = self.wanted.name, self.request.target
        number = next((at for at in range(len(self.seen)) if self._tried(at).overfits), len(self.seen) - 1)
        tried = [self._tried(at) for at in range(number + 1) if self.seen[at] is not None]
        whole = Capture(seconds=time.monotonic() - self.started)
        ran = [seen for seen in self.seen if seen is not None and seen.first_step is not None]
        if ran:
            whole.first_step, whole.output, whole.shelter = (
                ran[-1].first_step,
                ran[-1].output,
                ran[-1].shelter,
            )
        refused = next((at for at in range(len(self.seen)) if self._refused(at)), None)
        if refused is not None and not ran:
            seen = self.seen[refused]
            said = _last_line(seen.output) if seen is not None else ""
            whole.not_run = [NotRun(f"capacity {name}", f"the script does not take --{name}: {said}", target)]
            return whole
        whole.not_run = [
            NotRun(f"capacity {name}={entry.value}", entry.why, target)
            for entry in tried
            if entry.memory is None
        ]
        sizes = {entry.parameters for entry in tried if entry.parameters}
        if len(sizes) == 1 and sum(entry.memory is not None for entry in tried) > 1:
            what = f"{sizes.pop()} parameters with every value of {name}: the script does not use it"
            whole.not_run.append(NotRun(f"capacity {name}", f"the model has {what}", target))
            return whole
        whole.search = Search(name, self.place, tuple(tried))
        return whole


def _why(seen: Capture | None) -> str:
    if seen is None:
        return "was not needed"
    return next((entry.why for entry in seen.not_run), "the time was over (see --budget)")


def _last_line(output: str) -> str:
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def _literal(value: str) -> str:
    """The value as Python: a number, a tuple, None …; or else a string."""
    try:
        return repr(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return repr(value)


def _found(request: Request, name: str) -> tuple[bool, Place | None]:
    """Whether it is a constant of the script, and where the constant or the option stands.

    CapacityError if it can only be a constant, and is none.
    """
    if request.module or is_notebook(request.target):
        return name.isupper(), None
    path = Path(request.target)
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError):
        # The run will say so.
        return name.isupper(), None
    given = assignments(tree, name)
    if len(given) > 1:
        rows = ", ".join(str(statement.lineno) for statement in given)
        raise CapacityError(f"{path} assigns {name} on lines {rows}: which of them is the capacity?")
    options = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in (f"--{name}", f"-{name}")
    ]
    if given and not options:
        return True, Place(request.target, given[0].lineno)
    if not options and name.isupper():
        raise CapacityError(f"{path} assigns no {name} at module level, and has no option --{name}")
    return False, Place(request.target, options[0]) if options else None
