"""How much memory a run may take, and what to end when it takes more."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

# Of what is available, the share that a run may take unless told otherwise.
_SHARE = 0.8
# The limit and the use of a control group, version 2 and version 1.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def allowance() -> int:
    """What a run may take where nobody says otherwise, in bytes."""
    free = int(psutil.virtual_memory().available)
    for limit, used in _GROUPS:
        # A group without a limit says "max".
        with contextlib.suppress(OSError, ValueError):
            free = min(free, int(_read(limit)) - int(_read(used)))
    return max(int(free * _SHARE), 1)


def _read(path: str) -> str:
    return Path(path).read_text(encoding="ascii").strip()


class MemoryWatch:
    """Watches the processes below one; those that share memory are not counted twice."""

    def __init__(self, pid: int, limit: int) -> None:
        self.limit = limit
        self._root = psutil.Process(pid)

    def relieve(self, depth: int) -> bool | None:
        """None while there is room; else end the largest part, and say whether that was all of the script.

        `depth` is how far below the root the process is that runs the script. Its children (the probe, the
        continuations) are parts of their own, which can be spared one by one.
        """
        tree = self._tree()
        sizes = {process: _resident(process) for level in tree for process in level}
        if sum(sizes.values()) <= self.limit:
            return None
        sizes = {process: _proportional(process, size) for process, size in sizes.items()}
        if sum(sizes.values()) <= self.limit:
            return None
        parts = {}
        for part in tree[depth + 1] if len(tree) > depth + 1 else ():
            with contextlib.suppress(psutil.Error):
                inside = [part, *part.children(recursive=True)]
                parts[part] = (sum(sizes.get(process, 0) for process in inside), inside)
        below = {process for _, inside in parts.values() for process in inside}
        rest = sum(size for process, size in sizes.items() if process not in below)
        if not parts or rest > max(size for size, _ in parts.values()):
            return True
        for process in max(parts.values(), key=lambda entry: entry[0])[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return False

    def _tree(self) -> list[list[psutil.Process]]:
        """The processes by how far they are from the root."""
        levels, depths = [[self._root]], {self._root.pid: 0}
        with contextlib.suppress(psutil.Error):
            # All at once, parents first: such a question reads about every process of the machine.
            for process in self._root.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    depth = depths.get(process.ppid(), 0) + 1
                    depths[process.pid] = depth
                    levels += [[]] * (depth == len(levels))
                    levels[depth].append(process)
        return levels


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _proportional(process: psutil.Process, otherwise: int) -> int:
    """A process's own pages and its part of those that it shares, where the system can tell."""
    with contextlib.suppress(psutil.Error, OSError):
        found = process.memory_full_info()
        return int(getattr(found, "pss", 0) or found.uss)
    return otherwise
