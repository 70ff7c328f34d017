"""A process that has torch imported already and forks what `nnlint run` would start afresh.

Importing torch, and what its first optimizer imports, takes seconds; a hundred tests run a script each. Here
`launch.main`, all that a fresh process does, is called in a fork of one that has imported, with the
environment, the folder and the pipes that the fresh one would have been given. Tests that are about the
process itself (marked `afresh`, or through the command line) start it as users do.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, NoReturn

from nnlint.capture import launch, supervise
from nnlint.capture.plan import Plan, to_json

# Of these Python, torch and what it computes with read theirs as they begin: where a test sets another, a
# process has to begin anew. All others are given to the fork.
_EARLY = ("ATEN_", "CUDA_", "KMP_", "LD_", "MKL_", "OMP_", "PYTHON", "TORCH_")
_HASHES = {"PYTHONHASHSEED": "0"}
# What a run imports by itself, sooner or later.
_PACKAGES = (
    "nnlint.capture",
    "nnlint.capture.interventions",
    "nnlint.capture.meters",
    "nnlint.capture.ranks",
    "nnlint.graph",
)
# How `supervise` starts a process where nobody interferes.
AFRESH = supervise._launched
# No process here has so many files open.
_HIGH = 512


def _early() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_EARLY)}


class Warm:
    """The process that forks, begun when it is first wanted, and how to ask it; it ends with this one."""

    def __init__(self) -> None:
        self._early: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._beginning = threading.Lock()

    def ready(self) -> None:
        """Return when it has imported everything."""
        with self._beginning:
            if self._process is None and sys.platform == "linux":
                self._begin()

    def _begin(self) -> None:
        self._socket.close()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        self._early = _early()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(number)],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_HASHES},
            pass_fds=(number,),
            start_new_session=True,
        )
        theirs.close()
        if not self._socket.recv(1):
            raise AssertionError("the warm process has died")

    def launched(self, plan: Plan, writing: int, asking: int) -> supervise.Child:
        """As `supervise` starts a process, with the same arguments."""
        self.ready()
        if _early() != self._early:
            return AFRESH(plan, writing, asking)
        reading, output = os.pipe()
        told, telling = os.pipe()
        passed = (writing, asking, *plan.request.descriptors)
        own = {**os.environ, **_HASHES, launch.PLAN: to_json(plan), launch.PIPE: str(writing)}
        asked = json.dumps({"folder": str(Path.cwd()), "environment": own, "passed": passed}).encode()
        rights = array.array("i", [output, telling, *passed])
        self._socket.sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(output)
        os.close(telling)
        return _Forked(told, io.FileIO(reading))

    def close(self) -> None:
        """End it, and whatever it has forked."""
        self._socket.close()
        if self._process is not None:
            self._process.wait()


class _Forked:
    """A forked process as subprocess.Popen would describe it; the one that forked it tells of its end."""

    def __init__(self, told: int, stdout: IO[bytes]) -> None:
        self._told = io.FileIO(told)
        self.stdout: IO[bytes] | None = stdout
        self.pid = int(self._line())
        self._code: int | None = None

    def _line(self) -> bytes:
        line = self._told.readline()
        if not line:
            raise AssertionError("the warm process has died")
        return line

    def terminate(self) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
            self._code = int(self._line())
            self._told.close()
        return self._code


def _serve(requests: socket.socket) -> None:
    """Fork for each request, tell how each ended, until nobody asks any more."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready in select.select([requests.fileno(), *running], [], [])[0]:
            if ready in running:
                pid, telling = running.pop(ready)
                os.close(ready)
                _tell(telling, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(telling)
                continue
            text, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 64)
            if not text:
                return
            output, telling, *passed = descriptors
            pid = os.fork()
            if pid == 0:
                requests.close()
                for descriptor in (telling, *running, *(pipe for _, pipe in running.values())):
                    os.close(descriptor)
                _become(text, output, passed)
            _tell(telling, pid)
            running[os.pidfd_open(pid)] = (pid, telling)
            for descriptor in (output, *passed):
                os.close(descriptor)


def _tell(pipe: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.write(pipe, b"%d\n" % number)


def _become(text: bytes, output: int, passed: list[int]) -> NoReturn:
    """Do what the fresh process would do, with its pipes under the numbers that it would know."""
    asked = json.loads(text)
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    # What has come bears any number: first out of the way of those that are wanted.
    high = [fcntl.fcntl(number, fcntl.F_DUPFD, _HIGH) for number in (output, output, *passed)]
    for number in (output, *passed):
        os.close(number)
    for number, known in zip(high, (1, 2, *asked["passed"]), strict=True):
        os.dup2(number, known)
        os.close(number)
    sys.path[0] = asked["folder"]
    sys.argv = [launch.__file__]
    launch.main()


def _main() -> None:
    # The first optimizer of a process imports it.
    importlib.import_module("torch._dynamo")
    for package in _PACKAGES:
        for entry in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(entry.name)
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        # Untouched by the forked: what they share need not be copied.
        gc.collect()
        gc.freeze()
        requests.send(b".")
        _serve(requests)


if __name__ == "__main__":
    _main()
