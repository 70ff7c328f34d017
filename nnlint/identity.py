"""What, beside a file and the settings, decides what is found in it: this nnlint, its parser, this Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from nnlint import __version__
from nnlint.cache import blake2b
from nnlint.page import find_pages_dir


def identity() -> bytes:
    """Other bytes for every nnlint, libcst or Python that may find something else."""
    package = Path(__file__).parent
    digest = blake2b(f"{__version__}\n{sys.version}\n".encode(), digest_size=32)
    parser = find_spec("libcst")
    if parser is not None and parser.origin is not None:
        digest.update(_read(Path(parser.origin).with_name("_version.py")))
    # The installer has written down a hash of every file.
    if record := _read(package.parent / f"nnlint-{__version__}.dist-info" / "RECORD"):
        digest.update(record)
        return digest.digest()
    # A checkout, in which the code changes under the same version: as Python itself does, by size and time.
    for folder in (*_below(package), find_pages_dir()):
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.endswith((".py", ".md")):
                known = entry.stat()
                digest.update(f"{entry.name} {known.st_size} {known.st_mtime_ns}\n".encode())
    return digest.digest()


def _below(package: Path) -> Iterator[Path]:
    """The folders of code that linting may import."""
    yield package
    for name in ("rules", "static"):
        for folder, folders, _ in os.walk(package / name):
            folders[:] = sorted(inner for inner in folders if inner != "__pycache__")
            yield Path(folder)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
