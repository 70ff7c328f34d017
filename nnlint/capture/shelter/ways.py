"""Shuts a process into the best shelter that the system gives; the package says which there are."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from nnlint.capture.shelter import jail
from nnlint.capture.shelter.audit_hook import refuse_changes
from nnlint.capture.shelter.confine import confine, landlock_version
from nnlint.capture.shelter.layers import Layers
from nnlint.capture.shelter.native import redirect_native
from nnlint.capture.shelter.redirect import Redirection

if TYPE_CHECKING:
    import psutil

NAMESPACES, LANDLOCK, AUDIT = "namespaces", "landlock", "audit"
# How far below the process that enters the one is that goes on.
DEPTHS = {NAMESPACES: 3, LANDLOCK: 1, AUDIT: 1}

# How often the keeper looks, and how many of a folder's files it asks for their owners.
_LOOK = 0.02
_OWNERS = 256


class ShelterError(Exception):
    """The way that was asked for cannot be had; the message says why."""


def enter(wanted: str, folders: tuple[Path, ...], memory: int) -> tuple[str, Callable[[str], None]]:
    """Shut this single-threaded process in; returns in a forked child, with the way and how to branch.

    `wanted` is one of the ways or "", the best one. `folders` are those in which the script will write,
    `memory` (bytes, 0: as the system has it) bounds what it can write where that lies in memory.
    """
    why = ""
    if wanted == NAMESPACES or (not wanted and sys.platform == "linux" and not _foreign(folders)):
        entered = _in_namespaces(memory)
        if not isinstance(entered, str):
            return NAMESPACES, _named(entered)
        why = entered
    if wanted == NAMESPACES or (wanted == LANDLOCK and not landlock_version()):
        raise ShelterError(why or "this kernel has no Landlock")
    way = LANDLOCK if landlock_version() and wanted != AUDIT else AUDIT
    scratch = Path(tempfile.mkdtemp(prefix="nnlint-")).resolve()
    _keep(scratch)
    temporary = scratch / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None
    layers = Layers(str(scratch))
    redirection = Redirection(layers)
    redirection.install()
    redirect_native(redirection.reading, redirection.writing)
    refuse_changes(layers, programs=way == LANDLOCK)
    if way == LANDLOCK:
        confine((scratch,))
    return way, _named(layers.branch)


def _named(branch: Callable[[str], None]) -> Callable[[str], None]:
    """The same for any name: it becomes a folder, and an option of a mount."""
    return lambda name: branch("".join(letter if letter.isalnum() else "-" for letter in name))


def _in_namespaces(memory: int) -> Callable[[str], None] | str:
    """Try in a forked process, since what is half done cannot be undone; the reason if it fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading, "rb") as said:
            why = said.read().decode(errors="replace")
        if not why:
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        os.waitpid(child, 0)
        return why
    jail.die_with_parent()
    os.close(reading)
    try:
        shut = jail.enter(memory)
    except (jail.JailError, OSError) as error:
        os.write(writing, str(error).encode() or b"no reason given")
        os._exit(0)
    os.close(writing)
    jail.become_init()
    return shut.branch


def _foreign(folders: tuple[Path, ...]) -> bool:
    """Whether files there belong to others and may be changed: a user's namespace cannot show that."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        return False
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for path in [
                str(folder),
                *(entry.path for entry, _ in zip(entries, range(_OWNERS), strict=False)),
            ]:
                status = os.lstat(path)
                if (status.st_uid, status.st_gid) != (user, group) and os.access(path, os.W_OK):
                    return True
    return False


def _keep(scratch: Path) -> None:
    """Fork the process that goes on, and return there; this one ends what is left, and removes the folder."""
    import psutil

    above = os.getppid()
    child = os.fork()
    if not child:
        jail.die_with_parent()
        return
    jail.outlive_parent()
    told = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal told
        told = True

    signal.signal(signal.SIGTERM, stop)
    code = 0
    while not told and os.getppid() == above:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(_LOOK)
    _end_all(psutil.Process())
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code if code >= 0 else 128 - code)


def _end_all(root: psutil.Process) -> None:
    """Kill what descends from a process until nothing does."""
    import psutil

    while children := root.children(recursive=True):
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_LOOK / 4)
