"""Notices when a process waits for what may never come: a thread that was not forked along, a request."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

# How long nothing may be computed, in seconds: where threads are missing, and where none is.
_MISSING, _WAITING = 4.0, 12.0
_LOOK = 0.5
# What waking up now and then costs, in seconds of a processor.
_NOTHING = 0.02


def others() -> int:
    """How many threads of the script run beside this one; a forked process has none of them."""
    return sum(thread is not threading.current_thread() for thread in threading.enumerate())


def watch(missing: bool, act: Callable[[], None]) -> None:
    """Call `act`, from another thread, each time that neither this process nor one below it has computed."""

    def look() -> None:
        longest = _MISSING if missing else _WAITING
        since, worked, below = time.monotonic(), time.process_time(), 0.0
        while True:
            time.sleep(_LOOK)
            now, working = time.monotonic(), time.process_time()
            # Who is busy need not be asked what those below it do.
            working_below = below if working - worked > _NOTHING else _below()
            if working + working_below - worked - below > _NOTHING:
                since, worked, below = now, working, working_below
            elif now - since > longest:
                act()
                since = now

    threading.Thread(target=look, name="nnlint", daemon=True).start()


def _below() -> float:
    """What the processes that descend from this one have taken of a processor, in seconds."""
    import psutil

    taken = 0.0
    with contextlib.suppress(psutil.Error, OSError):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                taken += times.user + times.system
    return taken
