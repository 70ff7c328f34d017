"""Starts the ranks with torch's own launcher, and says which of them fell or stands still."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from nnlint.capture.channel import Channel
from nnlint.capture.forks import describe, ended
from nnlint.capture.plan import Plan
from nnlint.capture.ranks.rank import FALLEN, FINISHED, TRAINED, UNTRAINED, place_of, run_rank
from nnlint.capture.rounds import further

# Candidates that are tried before the script counts as one that does not train.
_PROBES = 8
# How a part of the run ends for the one that leads it: there was training; the script was over before its
# candidate, or died; there was none, and the next candidate may be one.
_TRAINED, _OVER, _NEXT = 0, 1, 2
# Before the time is over, in seconds: where the ranks of a gang stand is told then.
_BEFORE = 1.0
# What torchrun has set for us, if it has: this gang has a leader of its own.
_OUTER = ("TORCHELASTIC_", "MASTER_", "GROUP_", "ROLE_", "LOCAL_", "RANK", "WORLD_SIZE")


def lead(plan: Plan, channel: Channel, branch: Callable[[str], None]) -> NoReturn:
    """Run each part of the plan in a gang of its own, one after the other, and end this process."""
    for name in [name for name in os.environ if name.startswith(_OUTER)]:
        del os.environ[name]
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ["OMP_NUM_THREADS"] = "1"
    plan = replace(plan, fork=False)
    outcome = _NEXT
    at = -1
    while outcome == _NEXT and at < _PROBES:
        at += 1
        outcome = _part(replace(plan, at=at), channel, branch)
    if outcome == _NEXT:
        channel.send("end", "nothing that the script does looks like a training step")
    wanted = plan.continuations if outcome == _TRAINED else ()
    while wanted:
        for continuation in wanted:
            _part(replace(plan, at=at, role=continuation.name), channel, branch)
        wanted = further(plan, channel)
        plan = replace(plan, continuations=plan.continuations + wanted)
    channel.send("end", "done")
    os._exit(0)


def _part(plan: Plan, channel: Channel, branch: Callable[[str], None]) -> int:
    """A gang in a process of its own, whose files and threads end with it."""
    pid = os.fork()
    if pid == 0:
        branch(f"ranks {plan.role} {plan.at}")
        os._exit(_gang(plan, channel))
    return ended(pid)


def _gang(plan: Plan, channel: Channel) -> int:
    # They explain at length, to somebody who has started them, what we say in a line.
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    size = plan.request.ranks
    store = TCPStore("127.0.0.1", 0, None, True, timedelta(seconds=60), wait_for_workers=False)
    left = plan.deadline - time.monotonic() - _BEFORE
    timer = threading.Timer(left, _tell_places, (store, size, channel))
    timer.daemon = True
    timer.start()
    with tempfile.TemporaryDirectory(prefix="nnlint-ranks-") as logs:
        settings = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=size,
            run_id="nnlint",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            rdzv_configs={"rank": 0},
            max_restarts=0,
            monitor_interval=0.05,
            # They begin with torch imported, and with our pipe.
            start_method="fork",
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(settings, run_rank)(plan, channel.pipe, store.port)
        except ChildFailedError as error:
            if not store.check([FINISHED]) and store.add(FALLEN, 0) == 0:
                rank, failure = error.get_first_failure()
                how = describe(failure.exitcode)
                channel.send("died", f"{plan.role}\t{how} on rank {rank}{_where(store, rank)}")
                store.add(FALLEN, 1)
    if store.add(FALLEN, 0) or not store.check([FINISHED]):
        return _OVER
    return {TRAINED: _TRAINED, UNTRAINED: _NEXT}.get(store.get(FINISHED).decode(), _OVER)


def _where(store: TCPStore, rank: int) -> str:
    key = place_of(rank)
    return f" (last seen at {store.get(key).decode()})" if store.check([key]) else ""


def _tell_places(store: TCPStore, size: int, channel: Channel) -> None:
    """Where each rank is when the time is nearly over."""
    places = [
        f"rank {rank} at {store.get(place_of(rank)).decode()}"
        for rank in range(size)
        if store.check([place_of(rank)])
    ]
    if places and not store.check([FINISHED]):
        channel.send("stood", ", ".join(places))
