"""Forked processes that speak to the one that forked them."""

from __future__ import annotations

import os
import signal

from nnlint.capture.event_files import silence_writers
from nnlint.capture.services import stay_the_same


def fork() -> tuple[int, int]:
    """Fork with a pipe from the child: (0, the writing end) there, (its pid, the reading end) here."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        silence_writers()
        stay_the_same()
        return 0, writing
    os.close(writing)
    return pid, reading


def heard(pid: int, pipe: int) -> tuple[list[bytes], int]:
    """All lines that the child says until it ends, and its exit code, negative for a signal."""
    data = bytearray()
    while chunk := os.read(pipe, 65536):
        data += chunk
    os.close(pipe)
    return bytes(data).splitlines(), ended(pid)


def ended(pid: int) -> int:
    """Wait for a child; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def describe(code: int) -> str:
    """How a process with this exit code ended, as "the script …"."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended the process itself (status {code})"
