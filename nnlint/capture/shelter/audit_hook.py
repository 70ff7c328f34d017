"""An audit hook that refuses what would change a file and has not been redirected."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any

from nnlint.capture.shelter.layers import Layers, real
from nnlint.capture.shelter.redirect import WRITING, is_kernel

# Events whose first argument is the path that changes; renaming changes two, linking its second.
_CHANGES = (
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "os.utime",
    "os.setxattr",
    "os.removexattr",
)
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")


class RefusedError(PermissionError):
    """nnlint does not let the script do that."""


def refuse_changes(layers: Layers, *, programs: bool) -> None:
    """Refuse, from now on, changes outside of the layers, and other programs unless `programs`."""

    def demand(path: Any, *_: Any) -> None:
        if isinstance(path, int):
            try:
                path = real.readlink(f"/proc/self/fd/{path}")
            except OSError:
                path = f"descriptor {path}"
        text = os.fsdecode(path) if path is not None else ""
        if not layers.own(text) and not is_kernel(text):
            raise RefusedError(errno.EACCES, "nnlint run lets the script change no file in this way", text)

    def opened(path: Any, _: Any, flags: int) -> None:
        if flags & WRITING and not isinstance(path, int):
            demand(path)

    def moved(source: Any, target: Any, *_: Any) -> None:
        demand(source)
        demand(target)

    def connected(database: Any) -> None:
        text = os.fsdecode(database)
        if text not in ("", ":memory:") and not text.startswith("file::memory:"):
            demand(text.removeprefix("file:").partition("?")[0])

    def bound(_: Any, address: Any, *__: Any) -> None:
        # A name in the file system; abstract ones begin with a zero, and are none.
        if isinstance(address, (str, bytes)) and address[:1] not in ("", b"", "\0", b"\0"):
            demand(address)

    def started(program: Any = "", *_: Any) -> None:
        raise RefusedError(errno.EACCES, "nnlint run starts no other program on this system", str(program))

    checks: dict[str, Callable[..., None]] = dict.fromkeys(_CHANGES, demand)
    checks |= {
        "open": opened,
        "os.rename": moved,
        "os.link": lambda _, target, *__: demand(target),
        "os.symlink": lambda _, target, *__: demand(target),
        "socket.bind": bound,
        "sqlite3.connect": connected,
    }
    if not programs:
        checks |= dict.fromkeys(_STARTS, started)
        # Starting processes anew, multiprocessing raises no event.
        starter: Any = __import__("_posixsubprocess")
        starter.fork_exec = started

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if (check := checks.get(event)) is not None:
            check(*arguments)

    sys.addaudithook(hook)
