"""Linux namespaces in which the script sees the file system as it is, and changes none of it.

Every writable folder is covered by an overlay whose upper layer lies in memory: what the script writes,
renames or deletes, by whatever means (Python, C++, a subprocess), it finds again, and nobody else does. What
cannot be covered becomes read-only. A process namespace makes sure that nothing outlives the run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NEWNS, _NEWUSER, _NEWPID = 0x00020000, 0x10000000, 0x20000000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_DETACH = 2
_PDEATHSIG, _SUBREAPER = 1, 36
# Not files: the kernel's own windows, and devices.
_KERNEL = frozenset({"/proc", "/sys", "/dev"})
# How far below a folder with mounts inside it we look for folders without.
_DEPTH = 4
# A fresh tmpfs is mounted there.
SCRATCH = Path("/dev/shm")


class JailError(Exception):
    """The kernel does not let us make the namespaces; the message says at which step."""


@dataclass(frozen=True, slots=True)
class Cover:
    """One folder under an overlay: where it stands, and the number that names its layers."""

    place: str
    number: int


@dataclass(frozen=True, slots=True)
class Jail:
    """The overlays of this process."""

    covers: tuple[Cover, ...]
    options: str

    def branch(self, name: str) -> None:
        """Give this (forked) process its own layer above what has been written so far.

        The processes that share the layer below must be at rest: its files are read, not copied.
        """
        _unshare(_NEWNS)
        here = Path.cwd()
        for cover in self.covers:
            below = [_layer("upper", cover.number), _layer("lower", cover.number)]
            _detach(cover.place)
            _overlay(cover.place, below, f"{name}/{cover.number}", self.options)
        os.chdir(here)


def enter(memory: int = 0) -> Jail:
    """Move this single-threaded process into the namespaces; its children live in the new process tree.

    `memory` bounds what can be written there, in bytes; 0 is half of what the machine has.
    """
    here = Path.cwd()
    privileged = _try_unshare(_NEWNS | _NEWPID)
    if not privileged:
        _enter_user_namespace()
    _mount("none", "/", None, _REC | _PRIVATE)
    mounts = _mounts()
    _mount("nnlint", str(SCRATCH), "tmpfs", _NOSUID | _NODEV, f"size={memory}" if memory else "")
    # A user namespace may not write the `trusted` attributes in which overlays keep their notes.
    options = "" if privileged else ",userxattr"
    covers: list[Cover] = []
    for place in _places("/", mounts, _DEPTH):
        number = len(covers)
        try:
            lower = _layer("lower", number)
            Path(lower).mkdir(parents=True)
            _mount(place, lower, None, _BIND)
            _overlay(place, [lower], f"upper/{number}", options)
        except OSError:
            continue
        covers.append(Cover(place, number))
    if not covers:
        raise JailError("no folder could be covered by an overlay")
    covered = {cover.place for cover in covers}
    for place, flags in mounts.items():
        if place not in covered and not _is_kernel(place) and place != str(SCRATCH):
            _make_read_only(place, flags)
    os.chdir(here)
    return Jail(tuple(covers), options)


def become_init() -> None:
    """Fork the first process of the new process tree and return in its child; the caller's process waits.

    The first process reaps what is left behind; when it ends, the kernel ends everything else.
    """
    die_with_parent()
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    die_with_parent()
    # Whoever asks /proc should find the processes of this tree.
    with contextlib.suppress(OSError):
        _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    child = os.fork()
    if child:
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
    die_with_parent()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, where it can."""
    if sys.platform == "linux":
        _libc().prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def outlive_parent() -> None:
    """Take that back, and have whatever is left behind by descendants become a child of this process."""
    if sys.platform == "linux":
        _libc().prctl(_PDEATHSIG, 0, 0, 0, 0)
        _libc().prctl(_SUBREAPER, 1, 0, 0, 0)


def _places(folder: str, mounts: dict[str, int], depth: int) -> Iterator[str]:
    """The folders to cover: the highest ones that have no mount inside them."""
    if _is_kernel(folder):
        return
    inner = folder.rstrip("/") + "/"
    if folder != "/" and not any(place.startswith(inner) for place in mounts):
        if not mounts.get(folder, 0) & _RDONLY:
            yield folder
        return
    if depth == 0:
        return
    try:
        entries = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for entry in sorted(entries):
        yield from _places(entry, mounts, depth - 1)


def _is_kernel(place: str) -> bool:
    return any(place == root or place.startswith(f"{root}/") for root in _KERNEL)


def _mounts() -> dict[str, int]:
    """Where something is mounted, and with which flags."""
    names = {"ro": _RDONLY, "nosuid": _NOSUID, "nodev": _NODEV, "noexec": _NOEXEC}
    found: dict[str, int] = {}
    for line in (
        Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    ):
        fields = line.split()
        place = fields[4].encode().decode("unicode_escape")
        found[place] = sum(names.get(option, 0) for option in fields[5].split(","))
    return found


def _make_read_only(place: str, flags: int) -> None:
    try:
        _mount("none", place, None, _REMOUNT | _BIND | _RDONLY | flags)
    except OSError as error:
        if os.access(place, os.W_OK):
            raise JailError(f"{place} can be neither covered nor made read-only: {error.strerror}") from None


def _overlay(place: str, below: list[str], name: str, options: str) -> None:
    upper, work = SCRATCH / ".nnlint" / name, SCRATCH / ".nnlint" / "work" / name
    upper.mkdir(parents=True)
    work.mkdir(parents=True)
    upper.chmod(Path(place).stat().st_mode & 0o7777)
    data = f"lowerdir={':'.join(below)},upperdir={upper},workdir={work}{options}"
    _mount("nnlint", place, "overlay", _NOSUID | _NODEV, data)


def _layer(kind: str, number: int) -> str:
    return str(SCRATCH / ".nnlint" / kind / str(number))


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if not _try_unshare(_NEWUSER | _NEWNS | _NEWPID):
        raise JailError("this system gives no namespaces to its users")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _unshare(flags: int) -> None:
    _check(_libc().unshare(flags))


def _try_unshare(flags: int) -> bool:
    try:
        _unshare(flags)
    except OSError:
        return False
    return True


def _mount(source: str, place: str, kind: str | None, flags: int, data: str = "") -> None:
    arguments = (os.fsencode(source), os.fsencode(place), kind.encode() if kind else None)
    _check(_libc().mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data) if data else None))


def _detach(place: str) -> None:
    _check(_libc().umount2(os.fsencode(place), _DETACH))
