"""What two loader workers would draw: two forked processes read samples as workers do."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data._utils import worker

from nnlint.capture.prints import fingerprint
from nnlint.capture.stored import seed_all
from nnlint.experiments.data import SECONDS

_READINGS = 3
_SEED = 77_003


def draw_alike(loader: DataLoader[Any], index: int) -> bool:
    """Whether a sample differs from reading to reading within a worker, and not from worker to worker."""
    first, second = (_in_worker(loader, index, number) for number in (0, 1))
    return first is not None and first == second and len(set(first)) > 1


def _in_worker(loader: DataLoader[Any], index: int, number: int) -> list[bytes] | None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.close(reading)
            os.write(writing, b"".join(_readings(loader, index, number)))
        os._exit(0)
    os.close(writing)
    data = b""
    while select.select([reading], [], [], 2 * SECONDS)[0] and (chunk := os.read(reading, 4096)):
        data += chunk
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    size = len(data) // _READINGS
    if not size or len(data) % _READINGS:
        return None
    return [data[at : at + size] for at in range(0, len(data), size)]


def _readings(loader: DataLoader[Any], index: int, number: int) -> list[bytes]:
    seed_all(_SEED + number)
    info = worker.WorkerInfo(
        id=number, num_workers=loader.num_workers, seed=_SEED + number, dataset=loader.dataset
    )
    worker._worker_info = info
    torch.set_num_threads(1)
    if loader.worker_init_fn is not None:
        loader.worker_init_fn(number)
    return [fingerprint(loader.dataset[index]) or b"" for _ in range(_READINGS)]
