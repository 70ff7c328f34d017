"""Lines as Python counts them, and as a terminal may show them.

`str.splitlines` also breaks at form feeds and Unicode separators.
"""

from __future__ import annotations

import re

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def split_lines(text: str, *, keepends: bool = False) -> list[str]:
    """The lines of a text; a line break at its end begins no further line."""
    lines = _LINE.findall(text)
    if lines[-1] == "":
        lines.pop()
    return lines if keepends else [line.rstrip("\r\n") for line in lines]


def printable(text: str) -> str:
    """Tabs as four blanks; no control character of a hostile file, or of its name, reaches a terminal."""
    text = text.replace("\t", "    ")
    return text if text.isprintable() else "".join(char if char.isprintable() else "�" for char in text)
