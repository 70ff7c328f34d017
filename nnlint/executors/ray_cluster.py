"""The machines of a Ray cluster; where there is none, one that is started here and ended again."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, Progress
from nnlint.executors.executor import ExecutorError
from nnlint.executors.task import answered, perform, task
from nnlint.failures import one_line
from nnlint.finding import NotRun

if TYPE_CHECKING:
    import ray

# So often Ray gives the run of a machine or process that is lost to another one.
_RETRIES = 2
# A run ends by itself when its time is over; so many seconds later it is ended.
_GRACE = 10.0
# How often a run is asked whether it is done, in seconds.
_LOOK = 0.25
# How long a cluster's address is tried, in seconds.
_CONNECT = 5.0
# The least that Ray takes: the answers are a few kilobytes.
_STORE = 80 * 2**20


class RayCluster:
    """A run for each processor of the cluster; or for each accelerator, where it has some."""

    def __init__(self, *, cpu: bool) -> None:
        import ray

        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cards = 0 if cpu else int(have.get("GPU", 0))
        self._slots = cards or max(int(have.get("CPU", 0)), 1)
        self._perform: Any = ray.remote(
            num_cpus=1,
            num_gpus=1 if cards else 0,
            max_retries=_RETRIES,
            scheduling_strategy="SPREAD",
        )(perform)

    @property
    def slots(self) -> int:
        """How many runs the cluster has room for."""
        return self._slots

    def capture(
        self,
        request: Request,
        continuations: Sequence[Continuation],
        beside: int,
        progress: Callable[[Progress], None] | None,
        stop: Event,
    ) -> Capture:
        """See Executor. `progress` hears of a run when it is over."""
        import ray

        answer = self._perform.remote(task(request, continuations, beside))
        deadline = time.monotonic() + request.seconds + _GRACE
        while not ray.wait([answer], timeout=_LOOK)[0]:
            if stop.is_set() or time.monotonic() > deadline:
                # Nor is a lost run begun again then.
                ray.cancel(answer, force=True)
                return _nothing(request, "the cluster gave no answer in time (see --budget)")
        try:
            seen = answered(ray.get(answer))
        except ray.exceptions.RayError as error:
            return _nothing(request, _reason(error))
        for entry in seen.trajectories.values():
            if progress is not None and entry.steps:
                progress(Progress(entry.name, len(entry.steps), entry.steps[-1].loss))
        return seen


def _nothing(request: Request, why: str) -> Capture:
    return Capture(not_run=[NotRun("the script", why, request.target)])


def _reason(error: ray.exceptions.RayError) -> str:
    import ray

    if isinstance(error, (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError)):
        return f"{_RETRIES + 1} workers of the cluster were lost with this run"
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    text = one_line(cause if isinstance(cause, Exception) else error)
    hint = "; the machines need nnlint[ray], too" if "No module named" in text else ""
    return f"the cluster could not run it: {text[:300]}{hint}"


def _silence(address: str) -> str:
    """Why nobody listens at host:port, which Ray finds out after some minutes; empty if somebody does."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return ""
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT).close()
    except (OSError, OverflowError) as error:
        return one_line(error)
    return ""


def running_here() -> str:
    """The address of the cluster that `ray start` has started on this machine; empty if there is none now.

    Where Ray keeps it: https://docs.ray.io/en/latest/ray-core/configure.html. The file outlives a cluster
    that is killed, and Ray's own search among the processes is remembered for as long as ours lasts.
    """
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        address = Path(folder, "ray", "ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return "" if _silence(address) else address


@contextlib.contextmanager
def cluster(*, cpu: bool, verbose: bool) -> Iterator[RayCluster]:
    """The cluster that Ray finds (RAY_ADDRESS, or one that runs on this machine), or one of our own.

    `cpu` leaves accelerators alone; with `verbose` the machines' output is shown. ExecutorError if there is
    no Ray, or no cluster where RAY_ADDRESS says.
    """
    named = os.environ.get("RAY_ADDRESS", "")
    if why := _silence(named):
        raise ExecutorError(f"no Ray cluster at RAY_ADDRESS={named}: {why}")
    address = named or running_here()
    # nnlint sends nothing home.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ExecutorError("--executor ray needs Ray: pip install 'nnlint[ray]'") from None
    folder = ""
    try:
        if address:
            try:
                ray.init(address=address, log_to_driver=verbose, logging_level=logging.ERROR)
            except ConnectionError as error:
                raise ExecutorError(f"no Ray cluster at {address}: {one_line(error)}") from None
        else:
            # Otherwise Ray would write one into the user's home.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            folder = tempfile.mkdtemp(prefix="nnlint-")
            try:
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=verbose,
                    logging_level=logging.ERROR,
                    object_store_memory=_STORE,
                    _temp_dir=folder,
                )
            except Exception as error:
                # Of no class of its own where a busy machine takes longer than Ray gives it.
                raise ExecutorError(f"Ray does not start here: {one_line(error)}") from None
        yield RayCluster(cpu=cpu)
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
