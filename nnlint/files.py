"""From the paths on the command line to the files to lint."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.finding import NotRun

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

STDIN = "-"
STDIN_NAME = "<stdin>"  # in findings

NOTEBOOK = ".ipynb"
ENDINGS = (".py", NOTEBOOK)

# Never walked into, whatever .gitignore says: nobody trains from there. Hidden folders are skipped too.
SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})

_READING = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_BLOCK = 1 << 16  # of more than most files, yet not so much that memory for it is asked of the system


@dataclass(slots=True)
class Discovery:
    """The files found, each once, in the order of the paths given, and what could not be read."""

    files: list[str] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Ignore patterns, relative to the folder that they were written in."""

    folder: Path
    spec: GitIgnoreSpec

    @classmethod
    def of(cls, folder: Path, lines: Iterable[str]) -> _Patterns:
        # Imported only here: linting a single file needs no patterns, and starts sooner without.
        from pathspec import GitIgnoreSpec

        return cls(folder, GitIgnoreSpec.from_lines(lines))

    def verdict(self, path: str, is_dir: bool) -> bool | None:
        """True to ignore, False for an explicit `!pattern`, None if nothing matches."""
        folder = str(self.folder)
        relative = path[len(folder) + (not folder.endswith(os.sep)) :].replace(os.sep, "/")
        return self.spec.check_file(relative + ("/" if is_dir else "")).include

    def leave_out(self, path: Path) -> bool:
        """Whether a path below the folder is ignored."""
        path = path.absolute()
        return path.is_relative_to(self.folder) and bool(self.verdict(str(path), path.is_dir()))


def read(name: str) -> bytes:
    """The bytes of a file; raises OSError. `open` does the same in twice the time."""
    handle = os.open(name, _READING)
    try:
        parts = []
        while part := os.read(handle, _BLOCK):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def discover(paths: Sequence[Path], exclude: Sequence[str] = (), root: Path | None = None) -> Discovery:
    """Every file named, and each script and notebook below the folders named that is not excluded."""
    found = Discovery()
    seen: set[str] = set()
    root = (root or Path.cwd()).absolute()
    excluded = _Patterns.of(root, exclude) if exclude else None
    for path in paths:
        try:
            is_dir = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            found.not_run.append(NotRun("read", error.strerror or str(error), str(path)))
            continue
        alone = iter(((str(path), os.path.realpath(path)),))
        for file, identity in _walk(path, excluded, found.not_run) if is_dir else alone:
            if identity not in seen:
                seen.add(identity)
                found.files.append(file)
    return found


def left(paths: Iterable[Path], exclude: Sequence[str], root: Path) -> list[Path]:
    """The paths that no pattern leaves out, be it by themselves or by a folder that they are in."""
    if not exclude:
        return list(paths)
    patterns = _Patterns.of(root.absolute(), exclude)
    return [path for path in paths if not patterns.leave_out(path)]


def _walk(top: Path, excluded: _Patterns | None, not_run: list[NotRun]) -> Iterator[tuple[str, str]]:
    """Each file as it is shown, and by its real path.

    In strings: most of the time that it takes to see that nothing has changed in a large tree is spent here.
    """
    base = top.absolute()
    rules = _above(base)
    if excluded and base.is_relative_to(excluded.folder):
        rules.append(excluded)
    # Folders as they are shown, from the root, and by their real paths: links to folders are not followed.
    shown_top = "" if str(top) == "." else os.path.join(top, "")  # noqa: PTH118
    stack = [(shown_top, os.path.join(base, ""), os.path.join(os.path.realpath(base), ""), rules)]  # noqa: PTH118
    while stack:
        shown, folder, real, patterns = stack.pop()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            not_run.append(NotRun("read", error.strerror or str(error), str(Path(shown))))
            continue
        names = {entry.name for entry in entries}
        if "pyvenv.cfg" in names and Path(folder) != base:
            continue
        if ".gitignore" in names and (own := _gitignore(Path(folder), not_run)):
            # The command's own exclusions stay last: no .gitignore can bring back what they exclude.
            at = len(patterns) - 1 if excluded and patterns and patterns[-1] is excluded else len(patterns)
            patterns = [*patterns[:at], own, *patterns[at:]]
        folders = []
        for entry in entries:
            name, is_dir = entry.name, entry.is_dir(follow_symlinks=False)
            if is_dir and (name in SKIPPED or name.startswith(".")):
                continue
            if not is_dir and not (name.endswith(ENDINGS) and entry.is_file()):
                continue
            if patterns and _ignored(folder + name, is_dir, patterns):
                continue
            if is_dir:
                folders.append(
                    (f"{shown}{name}{os.sep}", f"{folder}{name}{os.sep}", f"{real}{name}{os.sep}", patterns)
                )
            else:
                yield shown + name, os.path.realpath(folder + name) if entry.is_symlink() else real + name
        stack.extend(reversed(folders))


def _ignored(path: str, is_dir: bool, patterns: Sequence[_Patterns]) -> bool:
    """The last pattern that has a say decides, as in git."""
    for rules in reversed(patterns):
        verdict = rules.verdict(path, is_dir)
        if verdict is not None:
            return verdict
    return False


def _above(folder: Path) -> list[_Patterns]:
    """The .gitignore files between the folder and the top of its repository, outermost first."""
    found: list[_Patterns] = []
    if _is_top(folder):
        return found
    for parent in folder.parents:
        if (own := _gitignore(parent, [])) is not None:
            found.append(own)
        if _is_top(parent):
            return found[::-1]
    # Not in a repository: a stray .gitignore far above says nothing about this folder.
    return []


def _is_top(folder: Path) -> bool:
    """Whether a repository begins here, as far as one may look."""
    try:
        return (folder / ".git").exists()
    except OSError:
        return False


def _gitignore(folder: Path, not_run: list[NotRun]) -> _Patterns | None:
    path = folder / ".gitignore"
    try:
        return _Patterns.of(folder, path.read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        not_run.append(NotRun("read", " ".join(str(error).split()), str(path)))
        return None
