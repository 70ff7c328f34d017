"""A file system over the real one in plain Python: what is written lies in layers, removals are marks.

Paths are absolute, as the script knows them, and with their symbolic links resolved (`canonical`). A layer
is a folder with two trees: `files`, what was written, and `gone`, marks in the place of what was removed.
Whatever stands below a marked path, or in it, in a deeper layer or in reality is hidden.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
from types import SimpleNamespace

# The real functions, by whatever name they will be replaced with.
real = SimpleNamespace(
    **{name: value for name, value in vars(os).items() if callable(value)}, io_open=io.open
)

_MARK = ".nnlint-gone"
_LINKS = 40


class Layers:
    """The layers of this process, its own one first."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.stack = [self._new("scout")]
        # The working folder as the script knows it, where it exists in layers only.
        self.folder: str | None = None
        self._plain: set[str] = set()
        self._touched = False

    def _new(self, name: str) -> str:
        layer = f"{self.root}/{name}"
        for tree in ("files", "gone"):
            real.makedirs(f"{layer}/{tree}", exist_ok=True)
        return layer

    def branch(self, name: str) -> None:
        """Write into a new layer from now on; what is in the others stays as it is."""
        self.stack.insert(0, self._new(name))

    def own(self, path: str) -> bool:
        """Whether a path lies in the layers themselves."""
        return path == self.root or path.startswith(self.root + "/")

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever written: everything is as it really is."""
        # Asked again until it is not: a forked process writes into the same layer.
        self._touched = self._touched or any(
            real.listdir(f"{layer}/{tree}") for layer in self.stack for tree in ("files", "gone")
        )
        return not self._touched

    def canonical(self, path: str, *, follow: bool = True) -> str:
        """The path with its symbolic links resolved, but for the last one unless `follow`."""
        if not path.startswith("/"):
            path = f"{self.folder or real.getcwd()}/{path}"
        waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        here = ""
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                here = here.rpartition("/")[0]
                continue
            following = f"{here}/{part}"
            if following in self._plain or (not waiting and not follow):
                here = following
                continue
            place = self.find(following)
            target = _target(place) if place is not None else None
            if target is None:
                here = following
                if waiting:
                    self._demand_folder(here, place)
                    # Folders are asked for again and again, files are not.
                    self._plain.add(here)
                continue
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            here = "" if target.startswith("/") else here
            waiting += [entry for entry in reversed(target.split("/")) if entry not in ("", ".")]
        return here or "/"

    def _demand_folder(self, path: str, place: str | None) -> None:
        if place is None or not _exists(place):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not _is_folder(place):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)

    def find(self, path: str) -> str | None:
        """Where the content of a canonical path stands; None if the script has removed it."""
        return self._find(path, 0)

    def _find(self, path: str, depth: int) -> str | None:
        for layer in self.stack[depth:]:
            if _exists(f"{layer}/files{path}"):
                return f"{layer}/files{path}"
            if _marked(layer, path):
                return None
        return path

    def exists(self, path: str) -> bool:
        """Whether the script finds something there."""
        place = self.find(path)
        return place is not None and _exists(place)

    def names(self, path: str) -> list[str] | None:
        """What a folder holds, or None if no layer says anything about it."""
        told = False
        found: dict[str, None] = {}
        hidden: set[str] = set()
        for layer in self.stack:
            for tree in ("files", "gone"):
                told = told or _exists(f"{layer}/{tree}{path}")
            found.update(dict.fromkeys(name for name in _list(f"{layer}/files{path}") if name not in hidden))
            marked = f"{layer}/gone{path}"
            hidden.update(name for name in _list(marked) if _exists(f"{marked}/{name}/{_MARK}"))
            if _marked(layer, path):
                return list(found)
        if not told:
            return None
        found.update(dict.fromkeys(name for name in _list(path) if name not in hidden))
        return list(found)

    def prepare(self, path: str, *, keep: bool = True) -> str:
        """Where to write a canonical path; its present content (if `keep`) is put there first."""
        target = f"{self.stack[0]}/files{path}"
        if _exists(target):
            return target
        parent = path.rpartition("/")[0] or "/"
        place = self.find(path)
        present = place is not None and _exists(place)
        _demand_writable(place if present and place is not None else parent)
        self._mirror(parent)
        if present and place is not None:
            self._copy(place, target, keep=keep)
        return target

    def hide(self, path: str) -> None:
        """Remove a canonical path: what we have written goes, what lies deeper is marked."""
        top = f"{self.stack[0]}/files{path}"
        if _exists(top):
            (real.rmdir if _is_folder(top) else real.remove)(top)
        else:
            _demand_writable(path.rpartition("/")[0] or "/")
        self._forget()
        deeper = self._find(path, 1)
        if deeper is not None and _exists(deeper):
            mark = f"{self.stack[0]}/gone{path}"
            real.makedirs(mark, exist_ok=True)
            real.io_open(f"{mark}/{_MARK}", "w").close()

    def move(self, source: str, target: str) -> None:
        """Rename; a folder that lies deeper is copied first."""
        place = self.find(source)
        if place is None or not _exists(place):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        if source == target:
            return
        if source.startswith(f"{target}/"):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), source)
        there = self.find(target) if self.exists(target) else None
        if _is_folder(place):
            if target.startswith(f"{source}/"):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), source)
            if there is not None and not _is_folder(there):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), source)
            held = self.names(target)
            if held or (held is None and _list(target)):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), source)
            self.make_folder(target, again=True)
            inside = self.names(source)
            for name in _list(place) if inside is None else inside:
                self.move(f"{source}/{name}", f"{target}/{name}")
        else:
            if there is not None:
                if _is_folder(there):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
                self.hide(target)
            top = self.prepare(source)
            self._mirror(target.rpartition("/")[0] or "/")
            real.rename(top, f"{self.stack[0]}/files{target}")
        self.hide(source)

    def make_folder(self, path: str, mode: int = 0o777, *, again: bool = False) -> None:
        """Create a folder; FileExistsError if something is there."""
        if self.exists(path) and not again:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        parent = path.rpartition("/")[0] or "/"
        if not self.exists(path):
            _demand_writable(self.find(parent) or parent)
        self._mirror(parent)
        real.makedirs(f"{self.stack[0]}/files{path}", mode, exist_ok=True)

    def _mirror(self, folder: str) -> None:
        """Have the folder in our own layer, too, if the script finds it; FileNotFoundError if not."""
        self._demand_folder(folder, self.find(folder))
        real.makedirs(f"{self.stack[0]}/files{folder}", exist_ok=True)

    def _copy(self, place: str, target: str, *, keep: bool) -> None:
        status = real.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            real.symlink(real.readlink(place), target)
        elif stat.S_ISDIR(status.st_mode):
            real.makedirs(target, exist_ok=True)
        elif stat.S_ISREG(status.st_mode):
            with real.io_open(target, "wb") as new:
                if keep:
                    with real.io_open(place, "rb") as old:
                        shutil.copyfileobj(old, new, 1 << 20)
            real.chmod(target, stat.S_IMODE(status.st_mode))
        else:
            raise PermissionError(errno.EACCES, "neither file nor folder, and not to be written to", place)

    def _forget(self) -> None:
        self._plain.clear()

    def link(self, target: str, path: str) -> None:
        """Make a symbolic link at a canonical path."""
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        real.symlink(target, self.prepare(path, keep=False))
        self._forget()


def _exists(path: str) -> bool:
    try:
        real.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def _target(place: str) -> str | None:
    """Where a symbolic link leads; None of what is none."""
    try:
        return str(real.readlink(place))
    except OSError:
        return None


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(real.lstat(path).st_mode)
    except OSError:
        return False


def _list(path: str) -> list[str]:
    try:
        return [name for name in real.listdir(path) if name != _MARK]
    except OSError:
        return []


def _marked(layer: str, path: str) -> bool:
    """Whether a path, or a folder above it, was removed in a layer."""
    place = f"{layer}/gone"
    for part in path.split("/")[1:]:
        place = f"{place}/{part}"
        if not _exists(place):
            return False
        if _exists(f"{place}/{_MARK}"):
            return True
    return False


def _demand_writable(path: str) -> None:
    """Raise as the system would if the user may not write there."""
    if _exists(path) and not real.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
