"""Functions of os and io, replaced: what they write goes to layers, and they find it there again."""

from __future__ import annotations

import builtins
import bz2
import errno
import importlib
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from nnlint.capture.shelter.layers import Layers, real
from nnlint.capture.shelter.listing import Entries, Entry

# Flags of os.open with which a file may change.
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# The kernel's own windows and devices; shared memory is files to whoever opens it by name.
_KERNEL = ("/proc/", "/sys/", "/dev/")
_SHARED = "/dev/shm/"


class Redirection:
    """Functions of os and io that take the script's paths to where they lead."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers

    def install(self) -> None:
        """Replace the functions until the process ends."""
        made = {**self._readers(), **self._changers()}
        # `os` has them from `posix`, where they can be had as well.
        for module in (os, sys.modules[os.name]):
            for name, function in made.items():
                if hasattr(module, name):
                    setattr(module, name, function)
        builtins.open = io.open = bz2._builtin_open = self.open  # type: ignore[attr-defined]
        # Modules that the script has written are imported by functions that were bound long ago.
        loading: Any = sys.modules["importlib._bootstrap_external"]
        loading._os = os
        # On Python 3.10, pathlib has bound them too.
        accessor = getattr(importlib.import_module("pathlib"), "_NormalAccessor", None)
        for name in vars(accessor or object):
            if name in made:
                setattr(accessor, name, staticmethod(made[name]))
            elif name == "open":
                accessor.open = staticmethod(self.open)  # type: ignore[union-attr]
        # Its functions remove with what os.unlink was when they were defined.
        importlib.reload(tempfile)
        # Removing by descriptors of folders would go around the layers.
        shutil._use_fd_functions = False  # type: ignore[attr-defined]

    # Paths

    def path(self, given: Any, folder: int | None = None, *, follow: bool = True) -> str | None:
        """The canonical path of an argument; None for what is to be left as it is."""
        if isinstance(given, int):
            return None
        text = os.fsdecode(given)
        if folder is not None and not text.startswith("/"):
            text = f"{self._opened(folder)}/{text}"
        if is_kernel(text):
            return None
        try:
            text = self.layers.canonical(text, follow=follow)
        except OSError as error:
            raise _renamed(error, given) from None
        return None if is_kernel(text) or self.layers.own(text) else text

    def _opened(self, folder: int) -> str:
        place = str(real.readlink(f"/proc/self/fd/{folder}"))
        for layer in self.layers.stack:
            if place.startswith(f"{layer}/files"):
                return place.removeprefix(f"{layer}/files")
        return place

    def reading(self, given: Any, folder: int | None = None, *, follow: bool = True) -> Any:
        """What to read instead of an argument; FileNotFoundError if the script has removed it."""
        if isinstance(given, int) or self.layers.untouched:
            return given
        path = self.path(given, folder, follow=follow)
        if path is None:
            return given
        place = self.layers.find(path)
        if place is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), given)
        # As given only if no link on the way could lead elsewhere than it really does.
        return given if place == os.fsdecode(given) else place

    def writing(
        self, given: Any, folder: int | None = None, *, keep: bool = True, follow: bool = True
    ) -> Any:
        """Where to write instead of to an argument; `keep`: what is there now matters."""
        path = self.path(given, folder, follow=follow)
        return given if path is None else self.layers.prepare(path, keep=keep)

    # Functions that read

    def _readers(self) -> dict[str, Callable[..., Any]]:
        made: dict[str, Callable[..., Any]] = {}
        for name in ("stat", "access", "statvfs", "getxattr", "listxattr", "pathconf"):
            made[name] = self._reader(name)
        for name in ("lstat", "readlink"):
            made[name] = self._reader(name, follow=False)
        made |= {
            "listdir": self.listdir,
            "scandir": self.scandir,
            "chdir": self.chdir,
            "getcwd": self.getcwd,
            "getcwdb": lambda: os.fsencode(self.getcwd()),
        }
        return made

    def _reader(self, name: str, *, follow: bool = True) -> Callable[..., Any]:
        function = getattr(real, name, None)

        def reader(path: Any, *args: Any, dir_fd: int | None = None, **kwargs: Any) -> Any:
            if isinstance(path, int) or self.layers.untouched:
                return function(path, *args, **_given(dir_fd), **kwargs)  # type: ignore[misc]
            try:
                place = self.reading(path, dir_fd, follow=follow and kwargs.get("follow_symlinks", True))
            except OSError:
                if name == "access":
                    return False
                raise
            if place is path:
                return function(path, *args, **_given(dir_fd), **kwargs)  # type: ignore[misc]
            try:
                found = function(place, *args, **kwargs)  # type: ignore[misc]
            except OSError as error:
                raise _renamed(error, path) from None
            return os.fsencode(found) if isinstance(path, bytes) and isinstance(found, str) else found

        return reader

    def _names(self, path: Any) -> tuple[str, list[str]] | None:
        """A folder of which the layers know more, and what it holds."""
        if isinstance(path, int) or self.layers.untouched:
            return None
        folder = self.path(path)
        if folder is None:
            return None
        place = self.layers.find(folder)
        if place is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not stat.S_ISDIR(real.stat(place).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        names = self.layers.names(folder)
        return None if names is None else (folder, names)

    def listdir(self, path: Any = ".") -> list[Any]:
        """os.listdir."""
        known = self._names("." if path is None else path)
        if known is None:
            return real.listdir(self.reading(path))  # type: ignore[no-any-return]
        return [os.fsencode(name) for name in known[1]] if isinstance(path, bytes) else known[1]

    def scandir(self, path: Any = ".") -> Any:
        """os.scandir."""
        known = self._names("." if path is None else path)
        if known is None:
            place = self.reading(path)
            if place is path:
                return real.scandir(path)
            known = place, real.listdir(place)
        return Entries(Entry("." if path is None else os.fspath(path), name) for name in known[1])

    def chdir(self, path: Any) -> None:
        """os.chdir. Subprocesses and libraries look into the real folder, if there is one."""
        folder = self.path(path)
        if folder is None:
            real.chdir(path)
            self.layers.folder = None
            return
        found = self._demand(folder, path)
        place = folder if _is_real_folder(found) and _is_real_folder(folder) else found
        try:
            real.chdir(place)
        except OSError as error:
            raise _renamed(error, path) from None
        self.layers.folder = None if place == folder else folder

    def getcwd(self) -> str:
        """os.getcwd."""
        return self.layers.folder or str(real.getcwd())

    # Functions that change

    def _changers(self) -> dict[str, Callable[..., Any]]:
        made: dict[str, Callable[..., Any]] = {}
        for name in ("chmod", "chown", "utime", "truncate", "setxattr", "removexattr"):
            made[name] = self._changer(name)
        for name in ("lchmod", "lchown"):
            made[name] = self._changer(name, follow=False)
        for name in ("mkfifo", "mknod"):
            made[name] = self._changer(name, follow=False, keep=False)
        made |= {
            "open": self.os_open,
            "remove": self.remove,
            "unlink": self.remove,
            "rmdir": self.rmdir,
            "mkdir": self.mkdir,
            "rename": self.rename,
            "replace": self.rename,
            "link": self.link,
            "symlink": self.symlink,
        }
        return made

    def _changer(self, name: str, *, follow: bool = True, keep: bool = True) -> Callable[..., Any]:
        function = getattr(real, name, None)

        def changer(path: Any, *args: Any, dir_fd: int | None = None, **kwargs: Any) -> Any:
            if isinstance(path, int):
                return function(path, *args, **kwargs)  # type: ignore[misc]
            canonical = self.path(path, dir_fd, follow=follow and kwargs.get("follow_symlinks", True))
            if canonical is None:
                return function(path, *args, **_given(dir_fd), **kwargs)  # type: ignore[misc]
            if keep and not self.layers.exists(canonical):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            try:
                return function(self.layers.prepare(canonical), *args, **kwargs)  # type: ignore[misc]
            except OSError as error:
                raise _renamed(error, path) from None

        return changer

    def os_open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """os.open."""
        try:
            if not flags & WRITING:
                place = self.reading(path, dir_fd)
                return int(real.open(place, flags, mode, **_given(dir_fd if place is path else None)))
            place = self._opening(path, dir_fd, flags & os.O_CREAT, flags & os.O_EXCL, flags & os.O_TRUNC)
            return int(real.open(place, flags, mode, **_given(dir_fd if place is path else None)))
        except OSError as error:
            raise _renamed(error, path) from None

    def _opening(self, path: Any, folder: int | None, create: int, exclusive: int, truncate: int) -> Any:
        """Where to open for writing: created there only if the caller asks for it."""
        canonical = self.path(path, folder, follow=not exclusive)
        if canonical is None:
            return path
        if self.layers.exists(canonical):
            if exclusive:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        elif not create:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        place = self.layers.find(canonical)
        if place is not None and _is_real_folder(place):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return self.layers.prepare(canonical, keep=not truncate)

    def open(self, file: Any, mode: Any = "r", *args: Any, **kwargs: Any) -> Any:
        """builtins.open."""
        if isinstance(file, int) or not isinstance(mode, str):
            return real.io_open(file, mode, *args, **kwargs)
        try:
            if set(mode) & set("wax+"):
                create = int(not mode.startswith("r"))
                # An opener, as of tempfile, may ignore the name that it is given.
                place = (
                    self.layers.prepare("/tmp/opened", keep=False)
                    if kwargs.get("opener")
                    else self._opening(file, None, create, int("x" in mode), int("w" in mode))
                )
            else:
                place = self.reading(file)
            if opener := kwargs.get("opener"):
                kwargs["opener"] = lambda _, flags: opener(file, flags)
            opened = real.io_open(place, mode, *args, **kwargs)
        except OSError as error:
            raise _renamed(error, file) from None
        if place is not file:
            raw = getattr(opened, "buffer", opened)
            raw = getattr(raw, "raw", raw)
            raw.name = file
        return opened

    def remove(self, path: Any, *, dir_fd: int | None = None) -> None:
        """os.remove and os.unlink."""
        canonical = self.path(path, dir_fd, follow=False)
        if canonical is None:
            real.remove(path, **_given(dir_fd))
            return
        place = self._demand(canonical, path)
        if stat.S_ISDIR(real.lstat(place).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self.layers.hide(canonical)

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        """os.rmdir."""
        canonical = self.path(path, dir_fd, follow=False)
        if canonical is None:
            real.rmdir(path, **_given(dir_fd))
            return
        place = self._demand(canonical, path)
        if not stat.S_ISDIR(real.lstat(place).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        names = self.layers.names(canonical)
        if real.listdir(place) if names is None else names:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self.layers.hide(canonical)

    def _demand(self, canonical: str, given: Any) -> str:
        place = self.layers.find(canonical)
        if place is None or not self.layers.exists(canonical):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), given)
        return place

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """os.mkdir."""
        canonical = self.path(path, dir_fd, follow=False)
        if canonical is None:
            real.mkdir(path, mode, **_given(dir_fd))
        else:
            self.layers.make_folder(canonical, mode)

    def rename(
        self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        """os.rename and os.replace."""
        source = self.path(src, src_dir_fd, follow=False)
        target = self.path(dst, dst_dir_fd, follow=False)
        if source is not None and target is not None:
            try:
                self.layers.move(source, target)
            except OSError as error:
                raise _renamed(error, src) from None
        else:
            # One of them lies in $TMPDIR: a copy serves as well.
            shutil.copyfile(src, dst)
            self.remove(src)

    def link(self, src: Any, dst: Any, **kwargs: Any) -> None:
        """os.link, as a copy."""
        mode = os.lstat(src).st_mode
        if self.layers.exists(self.path(dst, follow=False) or "/"):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), dst)
        os.lstat(os.path.dirname(os.path.abspath(os.fsdecode(dst))))  # noqa: PTH100, PTH120
        if stat.S_ISDIR(mode):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), src)
        shutil.copyfile(src, dst, follow_symlinks=False)

    def symlink(
        self, src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None
    ) -> None:
        """os.symlink."""
        canonical = self.path(dst, dir_fd, follow=False)
        if canonical is None:
            real.symlink(src, dst, **_given(dir_fd))
        else:
            self.layers.link(os.fsdecode(src), canonical)


def is_kernel(path: str) -> bool:
    """Whether that is no file: a device, or a window into the kernel."""
    return path.startswith(_KERNEL) and not path.startswith(_SHARED)


def _given(folder: int | None) -> dict[str, Any]:
    return {} if folder is None else {"dir_fd": folder}


def _renamed(error: OSError, path: Any) -> OSError:
    """The error as the script would see it, with its own name for the file."""
    return type(error)(error.errno, error.strerror, path)


def _is_real_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(real.stat(path).st_mode)
    except OSError:
        return False
