"""A script's experiments on a real Ray cluster of this machine's processors."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, capture
from nnlint.executors.executor import ExecutorError
from nnlint.executors.ray_cluster import RayCluster, cluster
from nnlint.executors.spread import spread
from nnlint.searching import Capacities, search

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    # One cluster for all of them.
    pytest.mark.xdist_group("ray"),
    # Where Ray does not start, it leaves behind what it has started.
    pytest.mark.filterwarnings("ignore:Exception ignored in.*Popen:pytest.PytestUnraisableExceptionWarning"),
]

SCRIPT = """
import argparse
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
parser = argparse.ArgumentParser()
parser.add_argument("--hidden", type=int, default=4)
hidden = parser.parse_args().hidden
x = torch.randn(64, 4)
y = (x[:, 0] * x[:, 1] > 0).long()
loader = DataLoader(TensorDataset(x, y), 16, shuffle=True)
net = nn.Sequential(nn.Linear(4, hidden), nn.Dropout(0.5), nn.ReLU(), nn.Linear(hidden, 2))
optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
for epoch in range(20):
    for a, b in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(a), b).backward()
        optimizer.step()
"""
# As long as each other, so that each of two workers gets one.
WANTED = (
    Continuation("as it is", "none", steps=20, seconds=60, meters=("health",)),
    Continuation("first batch", "same_batch", steps=20, seconds=60, meters=("fit",)),
)


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Request:
    script = tmp_path_factory.mktemp("ray") / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    return Request(str(script), seconds=240)


@pytest.fixture(scope="module")
def here(request_: Request) -> Capture:
    """What a run without Ray shows."""
    return capture(request_, WANTED)


@pytest.fixture(scope="module")
def executor() -> Iterator[RayCluster]:
    # Short: a socket's whole path must not be longer than 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    home, scratch = folder / "home", folder / "tmp"
    home.mkdir()
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        for name, value in (("HOME", str(home)), ("TMPDIR", str(scratch)), ("RAY_TMPDIR", str(scratch))):
            patch.setenv(name, value)
        why = ""
        with contextlib.ExitStack() as stack:
            try:
                made = stack.enter_context(cluster(cpu=True, verbose=False))
            except ExecutorError as error:
                why = str(error)
            if why:
                shutil.rmtree(folder, ignore_errors=True)
                assert "timed out during startup" in why
                pytest.skip(why)
            yield made
    left = [str(path) for path in folder.rglob("*") if path not in (home, scratch)]
    shutil.rmtree(folder)
    assert left == []
    assert _of(str(scratch)) == []


def _of(folder: str) -> list[psutil.Process]:
    """The processes that have been told of a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if folder in " ".join(process.cmdline()):
                found.append(process)
    return found


def _scripts() -> list[psutil.Process]:
    """The processes that run a script for this cluster's workers."""
    found: list[psutil.Process] = []
    for raylet in _of(tempfile.gettempdir()):
        with contextlib.suppress(psutil.Error):
            below = raylet.children(recursive=True)
            found += [process for process in below if process.cmdline()[-1:] == ["nnlint.capture.launch"]]
    return found


def _same(one: Capture, other: Capture) -> None:
    assert one.not_run == other.not_run == []
    assert one.first_step is not None
    assert other.first_step is not None
    assert replace(one.first_step, seconds=0.0) == replace(other.first_step, seconds=0.0)
    assert set(one.trajectories) == set(other.trajectories) == {entry.name for entry in WANTED}
    for name, entry in one.trajectories.items():
        assert entry.steps == other.trajectories[name].steps
        assert entry.measured == other.trajectories[name].measured


def test_workers_find_what_one_machine_finds_though_one_is_lost(
    request_: Request, here: Capture, executor: RayCluster
) -> None:
    assert executor.slots == os.cpu_count()
    lost: list[psutil.Process] = []

    def lose() -> None:
        deadline = time.monotonic() + 120
        while not lost and time.monotonic() < deadline:
            for script in _scripts():
                worker = script.parent()
                assert worker is not None
                worker.kill()
                lost.append(script)
                return
            time.sleep(0.1)

    thread = threading.Thread(target=lose)
    thread.start()
    seen = spread(executor, request_, WANTED)
    thread.join()
    _same(seen, here)
    (script,) = lost
    assert not script.is_running()


def test_capacities_are_tried_by_workers(request_: Request, executor: RayCluster) -> None:
    seen = search(request_, Capacities("hidden", ("32", "64")), None, executor)
    assert seen.not_run == []
    assert seen.search is not None
    assert seen.search.smallest is not None
    assert seen.search.smallest.value == "32"


def test_no_run_outlives_its_time(request_: Request, executor: RayCluster) -> None:
    stop = threading.Event()
    timer = threading.Timer(3, stop.set)
    timer.start()
    endless = Continuation("as it is", "plain", steps=sys.maxsize, seconds=1e6)
    seen = executor.capture(request_, [endless], 1, None, stop)
    assert "in time" in seen.not_run[0].why
    deadline = time.monotonic() + 30
    while _scripts() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _scripts() == []
