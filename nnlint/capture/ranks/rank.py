"""One process of a script that has several."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial, wraps
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.multiprocessing import SignalException

from nnlint.capture.channel import Channel
from nnlint.capture.host import Host, Scout
from nnlint.capture.launch import describe_error, play, seed
from nnlint.capture.observe import Observation
from nnlint.capture.plan import Continuation, Plan, to_json
from nnlint.capture.ranks.evidence import Evidence
from nnlint.capture.watch import place_in

# Keys of the gang's store: how many ranks have fallen, how many have said what they hold, and whether the
# first one has finished; with which of the three: there was training, there was none yet, the script is over.
FALLEN, OBSERVED, FINISHED = "fallen", "observed", "finished"
TRAINED, UNTRAINED, OVER = "trained", "untrained", "over"
# What ranks other than the first say; the rest would be said twice.
_OWN = ("rank", "died")
# How long the first waits for what the others have to say, in seconds, and how often where they are is noted.
_PATIENCE = 60.0
_PULSE = 0.25
# Longer than any run, in seconds.
_ENDLESS = 1e6
# In so many seconds the launcher has noticed that a rank has died.
_GONE = 1.0


def place_of(rank: int) -> str:
    """The store's key for the line at which a rank is."""
    return f"at/{rank}"


class RankChannel(Channel):
    """Says what concerns this rank alone, and, on rank 0, what concerns the run."""

    def __init__(self, pipe: int, rank: int) -> None:
        super().__init__(pipe)
        self._rank = rank

    def send(self, kind: str, text: str) -> None:
        """Send it, if it is this rank's to say."""
        if self._rank == 0 or kind in _OWN:
            super().send(kind, text)


class RankHost(Host):
    """A host that forks nothing, and ends in step with the other ranks."""

    def __init__(self, plan: Plan, channel: Channel, rank: int, store: TCPStore) -> None:
        super().__init__(plan, channel, lambda _: None)
        self.rank = rank
        self._store = store
        self._evidence = Evidence(self.watch)
        self._outcome = UNTRAINED

    def observed(self, seen: Observation) -> None:
        """Say what this rank holds, before its models are evaluated once more."""
        self.channel.send("rank", to_json(self._evidence.take(seen, self.rank, self.plan.request.ranks)))
        self._store.add(OBSERVED, 1)
        if self.rank == 0:
            self._outcome = TRAINED
            super().observed(seen)
            # The others' evidence is part of what was observed.
            self._wait(lambda: self._store.add(OBSERVED, 0) == self.plan.request.ranks, _PATIENCE)

    def finish(self) -> NoReturn:
        """End this process; no rank ends under another one's feet: the first decides when."""
        if self.rank == 0:
            over = isinstance(self.watch.listener, Scout)
            self._store.set(FINISHED, OVER if over else self._outcome)
        else:
            # However long that takes: what is left of the run's time is what the supervisor watches.
            self._wait(lambda: self._store.check([FINISHED]), _ENDLESS)
        self.channel.close()
        # The launcher waits for results of what ends well, and ends the others at once after a failure.
        os._exit(1)

    def _wait(self, for_what: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not for_what() and time.monotonic() < deadline and self._store.add(FALLEN, 0) == 0:
            time.sleep(0.01)


def run_rank(plan: Plan, pipe: int, port: int) -> NoReturn:
    """Run the script as one rank: the function that torch's launcher starts."""
    rank = int(os.environ["RANK"])
    if rank:
        # They go on as long as the first one does: it alone measures, and decides when a part is over.
        plan = replace(plan, continuations=tuple(map(_endless, plan.continuations)))
    channel = RankChannel(pipe, rank)
    store = TCPStore("127.0.0.1", port, None, False, timedelta(seconds=60))
    seed(plan.seed)
    _on_gloo()
    threading.Thread(target=_pulse, args=(store, rank, threading.get_ident()), daemon=True).start()
    play(RankHost(plan, channel, rank, store), partial(_fallen, plan, channel, rank, store))


def _fallen(plan: Plan, channel: Channel, rank: int, store: TCPStore, error: BaseException) -> None:
    """The script has raised on this rank; the first one that it happens to is named."""
    # Once the first rank has finished, whatever the others meet is the end of the gang and no more.
    if store.check([FINISHED]):
        return
    if isinstance(error, SignalException):
        # The launcher ends us, since it has seen another rank fall; it names that one.
        os._exit(1)
    if "gloo" in str(error) or isinstance(error, dist.DistError):
        # Most likely another rank is gone, and is to be named: the launcher sees it, and ends us.
        time.sleep(_GONE)
    if store.add(FALLEN, 1) == 1:
        channel.send("died", f"{plan.role}\traised on rank {rank} {describe_error(error)}")
    traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _endless(continuation: Continuation) -> Continuation:
    return replace(continuation, steps=sys.maxsize, seconds=_ENDLESS, meters=())


def _pulse(store: TCPStore, rank: int, main_thread: int) -> None:
    """Note every now and then where the script is, for the case that it gets no further."""
    while True:
        frame = sys._current_frames().get(main_thread)
        place = place_in(frame)
        with contextlib.suppress(RuntimeError):
            if place is not None:
                store.set(place_of(rank), f"{place.filename}:{place.row}")
        time.sleep(_PULSE)


def _on_gloo() -> None:
    """Where there is no accelerator, process groups that ask for one's backend talk over gloo."""
    if torch.cuda.is_available():
        return
    begin = dist.init_process_group

    @wraps(begin)
    def begin_on_gloo(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
        begin("gloo" if backend is None or "nccl" in backend else backend, *args, **kwargs)

    dist.init_process_group = begin_on_gloo
    torch.distributed.distributed_c10d.init_process_group = begin_on_gloo
