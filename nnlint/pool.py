"""The same work on many things, spread over processes, with the results in the order of the things.

Unlike an executor of the standard library it outlives a process that dies at its work (a parser written in
C can): the one thing that it was at is lost, another process takes over the rest. Its processes grow to a
certain size at most, and end with the one that started them, however that ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

_Thing = TypeVar("_Thing")
_Made = TypeVar("_Made")

# A process that has grown by so much makes way for a fresh one.
_MOST_MB = 150
# How many things a process is given at a time: it is not to wait for the next, nor to keep many from others.
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Lost:
    """In place of a result: the process that was at work on it has died."""

    why: str


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    link: Connection
    # The numbers of the things that it was given and has not answered, the one that it is at first.
    given: list[int] = field(default_factory=list)


def spread(work: Callable[[_Thing], _Made], things: Sequence[_Thing], jobs: int) -> Iterator[_Made | Lost]:
    """What `work` makes of each thing. It must not raise; where processes are not forked it is pickled."""
    pool = _Pool(work, things, min(jobs, len(things)))
    try:
        yield from pool.results()
    finally:
        pool.end()


class _Pool(Generic[_Thing, _Made]):
    def __init__(self, work: Callable[[_Thing], _Made], things: Sequence[_Thing], jobs: int) -> None:
        self.work = work
        self.things = things
        self.jobs = jobs
        # Forked, a process has what is imported and read; only Linux can be trusted to fork.
        if sys.platform == "linux":
            self._way = multiprocessing.get_context("fork")
        else:
            self._way = multiprocessing.get_context("spawn")
        self.workers: dict[Connection, _Worker] = {}
        # The numbers of what is still to be given out, the next one last.
        self._left = list(range(len(things)))[::-1]

    def results(self) -> Iterator[_Made | Lost]:
        done: dict[int, _Made | Lost] = {}
        for at in range(len(self.things)):
            while at not in done:
                self._employ()
                for link in wait(list(self.workers)):
                    done.update(self._hear(self.workers[link]))  # type: ignore[index]
            yield done.pop(at)

    def _employ(self) -> None:
        """Every process has something to do, and there are as many as are of use."""
        while self._left and len(self.workers) < self.jobs:
            worker = self._start()
            self.workers[worker.link] = worker
        for worker in list(self.workers.values()):
            while self._left and len(worker.given) < _AHEAD:
                number = self._left.pop()
                worker.given.append(number)
                # One that has died meanwhile will be noticed when it is listened to.
                with contextlib.suppress(OSError):
                    worker.link.send((number, self.things[number]))

    def _start(self) -> _Worker:
        own, other = self._way.Pipe()
        # A forked process has to close what it inherits of the others' links, or none would hear of an end.
        forked = [own, *self.workers] if self._way.get_start_method() == "fork" else []
        process = self._way.Process(target=_serve, args=(self.work, other, forked), daemon=True)
        process.start()
        other.close()
        return _Worker(process, own)

    def _hear(self, worker: _Worker) -> dict[int, _Made | Lost]:
        """One answer of a process, or what becomes of its work if it has ended."""
        try:
            number, made = worker.link.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        worker.given.remove(number)
        return {number: made}

    def _bury(self, worker: _Worker) -> dict[int, _Made | Lost]:
        worker.process.join()
        status = worker.process.exitcode or 0
        del self.workers[worker.link]
        worker.link.close()
        # One that has left by itself, having grown too large, was at nothing.
        lost = worker.given[:1] if status else []
        self._left += reversed(worker.given[len(lost) :])
        return dict.fromkeys(lost, Lost(f"the process that looked at it has died ({_cause(status)})"))

    def end(self) -> None:
        """Ends every process, idle or not."""
        for worker in self.workers.values():
            worker.process.kill()
        for worker in self.workers.values():
            worker.process.join()
            worker.link.close()
        self.workers.clear()


def _cause(status: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"status {status}"


def _serve(work: Callable[[Any], Any], link: Connection, inherited: Sequence[Connection]) -> None:
    """The life of a process: it answers until nobody asks any more."""
    # Ctrl-C reaches the whole group; the one who gives out the work ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for connection in inherited:
        connection.close()
    most = _megabytes() + _MOST_MB
    with contextlib.suppress(EOFError, OSError):
        while _megabytes() < most:
            number, thing = link.recv()
            link.send((number, work(thing)))


def _megabytes() -> float:
    """The most memory that this process has taken; 0 where that is not known."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
