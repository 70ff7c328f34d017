"""How much memory processes that were forked from one another take together: shared pages count once."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

import psutil

PAUSE = 0.1


class Shares:
    """While it is entered, it looks at the processes below this one again and again (Linux only).

    `most` is what it saw when there were most of them, and they took most: by process, the proportional and
    the resident set size in MB. Resident pages count whole in each process that has them, proportional ones
    in parts.
    """

    def __init__(self) -> None:
        self.most: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Shares:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def to_dict(self) -> dict[str, float]:
        """In MB: of all processes together, and what it would be if each had its own copy of everything."""
        return {
            "processes": len(self.most),
            "pss_mb": round(sum(pss for pss, _ in self.most), 1),
            "rss_mb": round(sum(rss for _, rss in self.most), 1),
        }

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._over.wait(PAUSE):
            found = []
            for process in own.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    memory = process.memory_full_info()
                    found.append((memory.pss / 2**20, memory.rss / 2**20))
            if _more(found, self.most):
                self.most = found


def _more(found: list[tuple[float, float]], most: list[tuple[float, float]]) -> bool:
    return (len(found), sum(pss for pss, _ in found)) > (len(most), sum(pss for pss, _ in most))
