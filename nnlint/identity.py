"""What, beside a file and the settings, decides what is found in it: this nnlint, its parser, this Python."""

from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

from nnlint import __version__
from nnlint.page import find_pages_dir


def identity() -> bytes:
    """Other bytes for every nnlint, libcst or Python that may find something else."""
    package = Path(__file__).parent
    digest = hashlib.blake2b(f"{__version__}\n{sys.version}\n".encode(), digest_size=32)
    parser = find_spec("libcst")
    if parser is not None and parser.origin is not None:
        digest.update(_read(Path(parser.origin).with_name("_version.py")))
    # The installer has written down a hash of every file.
    if record := _read(package.parent / f"nnlint-{__version__}.dist-info" / "RECORD"):
        digest.update(record)
        return digest.digest()
    # A checkout, in which the code changes under the same version.
    code = (*package.glob("*.py"), *package.glob("rules/*.py"), *package.glob("static/**/*.py"))
    for path in sorted((*code, *find_pages_dir().glob("*.md"))):
        digest.update(f"\n{path.name}\n".encode())
        digest.update(_read(path))
    return digest.digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
