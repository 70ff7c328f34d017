"""Notices when a process waits for what may never come (a thread that was not forked along, a request), and
when its time is nearly over."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
from collections.abc import Callable

# How long nothing may be computed, in seconds: where threads are missing, and where none is.
_MISSING, _WAITING = 4.0, 12.0
_LOOK = 0.5
# What waking up now and then costs, in seconds of a processor.
_NOTHING = 0.02
# What is left of the time to tell what was seen, in seconds.
_LAST = 2.0
# One that no script uses; it is never really sent.
_SIGNAL: signal.Signals = getattr(signal, "SIGRTMAX", signal.SIGUSR2)


def others() -> int:
    """How many threads of the script run beside this one; a forked process has none of them."""
    return sum(thread is not threading.current_thread() for thread in threading.enumerate())


def watch(missing: bool, still: Callable[[], None], deadline: float, over: Callable[[], None]) -> None:
    """Call `still`, from another thread, each time that neither this process nor one below it has computed.

    Call `over` in this thread, wherever the script is then, shortly before the deadline (on the clock of
    time.monotonic; 0: there is none).
    """
    # In a thread other than the first, signals cannot be had.
    with contextlib.suppress(ValueError):
        signal.signal(_SIGNAL, lambda *_: over())

    def look() -> None:
        nonlocal deadline
        longest = _MISSING if missing else _WAITING
        since, worked, below = time.monotonic(), _worked(), 0.0
        while True:
            time.sleep(_LOOK)
            now, working = time.monotonic(), _worked()
            # Who is busy need not be asked what those below it do.
            working_below = below if working - worked > _NOTHING else _below()
            if working + working_below - worked - below > _NOTHING:
                since, worked, below = now, working, working_below
            elif now - since > longest:
                still()
                since = now
            if deadline and now > deadline - _LAST:
                deadline = 0.0
                _thread.interrupt_main(_SIGNAL)

    threading.Thread(target=look, name="nnlint", daemon=True).start()


def _worked() -> float:
    """What this process has taken of a processor, in seconds, without the thread that asks.

    Its looks cost more the more processes the machine has, and would be taken for work.
    """
    return time.process_time() - time.thread_time()


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
