"""What earlier runs have found, by the bytes of the files: a second run over them looks at none again.

The folder holds one file for each project (the folder of the settings): a line for each state of a file,
which is short, as in most nothing is found. It is read and replaced as a whole, so one that is being
written is never seen, and of two runs that end at once the last one's file stays: what the other had found is
looked at again. Nothing here may stop a run: what cannot be read is empty, what cannot be written is not.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import zlib
from pathlib import Path
from types import TracebackType

try:
    # What hashlib takes it from: that loads all of OpenSSL beside it, a tenth of a run that finds all known.
    from _blake2 import blake2b as blake2b
except ImportError:
    from hashlib import blake2b as blake2b

# Its last character is the version of everything below.
_HEADER = "nnlint cache 1"
_DAY = 86_400
# Lines that have not been used for so many days go, and so do the files of whole projects.
_KEPT_DAYS = 30
# How old the note of the last use may become before it is worth writing it anew, in days.
_NOTED_DAYS = 7
_MOST_BYTES = 64 << 20
_SUFFIX = ".lines"
_KEY_BYTES = 20

TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by nnlint (https://bford.info/cachedir/).\n"


class Cache:
    """The lines of one project. As a context manager it writes down what was added when it is left."""

    def __init__(self, folder: Path, project: Path, identity: bytes) -> None:
        self.folder = folder
        name = blake2b(os.fsencode(project.absolute()), digest_size=8).hexdigest()
        self.path = folder / f"{name}{_SUFFIX}"
        self._identity = identity
        self._today = int(time.time() // _DAY)
        self._lines = _read(self.path)
        self._fresh: dict[str, str] = {}
        self._worn = False

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Also when somebody has pressed Ctrl-C: what was found until then is found.
        self.save()

    def facts(self, *facts: str) -> bytes:
        """What `key` takes beside a file's bytes: everything else that decides what is found in it."""
        written = "\n".join(facts).encode(errors="surrogatepass")
        return blake2b(written, key=self._identity, digest_size=32).digest()

    @staticmethod
    def key(data: bytes, facts: bytes) -> str:
        """What a file in this state is known by."""
        return blake2b(data, key=facts, digest_size=_KEY_BYTES).hexdigest()

    def get(self, key: str) -> str | None:
        """What was put under a key; None if nothing was, or if it has been damaged."""
        line = self._lines.get(key)
        if line is None:
            return None
        day, _, rest = line.partition(" ")
        if not day.isdecimal():
            return None
        if int(day) + _NOTED_DAYS <= self._today:
            self._worn = True
        self._fresh[key] = rest
        if not rest:
            return rest
        check, _, content = rest.partition(" ")
        return content if check == _check(content) else None

    def put(self, key: str, content: str) -> None:
        """Remember a line of text."""
        if "\n" not in content:
            self._fresh[key] = f"{_check(content)} {content}" if content else ""
            self._worn = True

    def save(self) -> None:
        """Write down what was put, if anything was; without a word if that cannot be."""
        if not self._worn:
            return
        self._worn = False
        with contextlib.suppress(OSError):
            _make(self.folder)
            # What another run has written since this one began stays.
            lines = {
                **_read(self.path),
                **{key: f"{self._today} {rest}" for key, rest in self._fresh.items()},
            }
            _write(self.path, _HEADER + "\n" + "".join(self._live(lines)))
            _prune(self.folder, self._today)

    def _live(self, lines: dict[str, str]) -> list[str]:
        """The lines that are worth keeping, the last used first."""
        aged = sorted(((_day(line), key) for key, line in lines.items()), reverse=True)
        live, size = [], 0
        for day, key in aged:
            size += len(key) + len(lines[key]) + 2
            if size > _MOST_BYTES or not self._today - _KEPT_DAYS < day <= self._today:
                continue
            live.append(f"{key} {lines[key]}\n")
        return live


def _day(line: str) -> int:
    day = line.partition(" ")[0]
    return int(day) if day.isdecimal() and len(day) < 9 else 0


def _check(content: str) -> str:
    return f"{zlib.crc32(content.encode()):08x}"


def _read(path: Path) -> dict[str, str]:
    """The lines of a file by key; none if it is not there, not ours or beyond measure."""
    try:
        if path.stat().st_size > 2 * _MOST_BYTES:
            return {}
        header, *lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except OSError:
        return {}
    if header != _HEADER:
        return {}
    width = 2 * _KEY_BYTES
    return {line[:width]: line[width + 1 :] for line in lines if line[width : width + 1] == " "}


def _write(path: Path, text: str) -> None:
    """Puts a new file in the old one's place, in one step."""
    import tempfile  # and with it a dozen modules, which most runs do without

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii", errors="replace", newline="\n") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _make(folder: Path) -> None:
    """The folder; one that is made now is marked as nothing to keep in backups and repositories."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    (folder / "CACHEDIR.TAG").write_text(TAG, encoding="utf-8")
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _prune(folder: Path, today: int) -> None:
    """Takes away the files of projects that nobody has linted for long, and what a killed run has left."""
    for path in folder.iterdir():
        name = path.name
        if _SUFFIX not in name:
            continue
        days = _KEPT_DAYS if name.endswith(_SUFFIX) else 1
        with contextlib.suppress(OSError):
            if path.stat().st_mtime // _DAY < today - days:
                path.unlink()


def default_folder() -> Path:
    """Where a user's caches are on this system (what platformdirs says, in a tenth of its time)."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "nnlint" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "nnlint"
    # Relative paths are invalid there, says the XDG specification.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else home / ".cache") / "nnlint"
