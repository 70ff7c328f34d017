"""Files that are written whole or not at all, whenever the process ends."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Puts a new file in the old one's place, in one step, with its permissions and owner; raises OSError.

    A symbolic link stays one: the file that it leads to is replaced. A killed process leaves at most a
    `.name.….nnlint` beside it. What is no regular file, as a terminal, is written to as it is.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".nnlint", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            _take_after(new, path)
        else:
            new.chmod(0o666 & ~_umask())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """What a new file's permissions are without, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _take_after(new: Path, old: Path) -> None:
    """The old file's owner, where that is allowed, and its permissions."""
    owner = old.stat()
    mode = owner.st_mode
    if hasattr(os, "chown") and (owner.st_uid, owner.st_gid) != (new.stat().st_uid, new.stat().st_gid):
        try:
            os.chown(new, owner.st_uid, owner.st_gid)
        except PermissionError:
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
    new.chmod(stat.S_IMODE(mode))
