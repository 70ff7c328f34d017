"""The pages of the rule book. A page that breaks the form is refused, with the file and line.

The page is the only place for a rule's code, severity, tiers, default, fix level and examples;
CONTRIBUTING.md shows its form. A page with `tier: none` describes something nnlint itself says
(such as a file that does not parse) and has no module; one with `tier: command` describes what a command
of its own concludes, and shows how it is called. Linting needs the front matter of every page
and the text of few: the text is read (by page_text) when it is first asked for.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.finding import Applicability, Severity

if TYPE_CHECKING:
    from nnlint.page_text import Content, Example

# What the front matter says, and the values that it may have.
VALUES = {
    "code": r"NNL\d{3}",
    # In the order of the tiers, each once.
    "tier": r"none|command|S(?: G)?(?: E)?|G(?: E)?|E",
    "severity": "|".join(severity.value for severity in Severity),
    "default": r"on|off",
    "fix": r"none|safe|unsafe",
    "since": r"\d+\.\d+\.\d+",
    "sources": r"\S(?:.*\S)?",
}
KEYS = tuple(VALUES)

# As nearly all are written, and within so many bytes: every run reads the front matter of all pages.
_FRONT = re.compile(
    "".join(["---\n", *(f"{key}: ({value})\n" for key, value in VALUES.items()), "---\n"]).encode()
)
_HEAD = 1024
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class PageError(Exception):
    """A page that breaks the form; the message starts with its file and line."""


@dataclass(frozen=True)
class Page:
    """Everything about a rule that is not Python."""

    code: str
    name: str
    tiers: tuple[str, ...]
    severity: Severity
    default: bool
    fix: Applicability | None
    since: str
    sources: str
    path: Path
    # How many lines the front matter takes.
    rows: int = field(repr=False)
    # It is about a command, which judges no script.
    command: bool = False
    # Its text, where that is known; else it is read when it is asked for.
    known: str | None = field(default=None, repr=False, compare=False)

    @cached_property
    def text(self) -> str:
        """All that the page says; PageError if it cannot be read."""
        return _read(self.path) if self.known is None else self.known

    @cached_property
    def content(self) -> Content:
        """What stands below the front matter; PageError if it breaks the form."""
        from nnlint.page_text import read_content

        return read_content(self)

    @property
    def lead(self) -> str:
        """The one sentence under the title, of a page that is known to be right."""
        # Every finding is told with it: the rest of the page need not be read for that.
        below = self.text.partition(f"\n# {self.name} ({self.code})\n")[2]
        return " ".join(below.strip().partition("\n\n")[0].split("\n"))

    @property
    def body(self) -> str:
        """The page's Markdown, from its title on."""
        return self.content.body

    @property
    def markdown(self) -> str:
        """The same without the marks after `py`: they are for the tests, and no highlighter knows them."""
        return self.body.replace("```py bad", "```py").replace("```py good", "```py")

    @property
    def sections(self) -> Mapping[str, str]:
        """The text under each `##` heading."""
        return self.content.sections

    @property
    def examples(self) -> tuple[Example, ...]:
        """The bad and good examples, in order."""
        return self.content.examples

    @cached_property
    def url(self) -> str:
        """The page as it was installed: readable offline, and of the version that spoke."""
        return self.path.resolve().as_uri()


def find_pages_dir() -> Path:
    """The rule book: `rules/` beside the package in a checkout, `nnlint/_pages` when installed."""
    package = Path(__file__).parent
    installed = package / "_pages"
    return installed if installed.is_dir() else package.parent / "rules"


def load_pages(folder: Path | None = None) -> tuple[Page, ...]:
    """Every page of the rule book, sorted by code; two pages with one code are an error."""
    folder = folder or find_pages_dir()
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".md")]  # noqa: PTH208 - in half the time
    except OSError as error:
        raise PageError(f"{folder}: the rule book cannot be read: {error.strerror}") from None
    pages = sorted((load_page(folder / name) for name in names), key=lambda page: (page.code, page.name))
    for first, second in itertools.pairwise(pages):
        if first.code == second.code:
            raise PageError(f"{second.path}:2: {second.code} is already the code of {first.name}")
    return tuple(pages)


@cache
def load_page(path: Path) -> Page:
    """One page of the rule book: its front matter now, the rest when it is asked for."""
    if match := _FRONT.match(_head(path)):
        with contextlib.suppress(UnicodeDecodeError):
            values = [value.decode() for value in match.groups()]
            return _made(path, dict(zip(KEYS, values, strict=True)), len(KEYS) + 2)
    return _page(_read(path), path)


def parse_page(text: str, path: Path) -> Page:
    """The page in `text`, all of it read and found right; `path` gives its name and stands in errors."""
    page = _page(text, path)
    page.content  # noqa: B018 - reading it is the check
    return page


def _page(text: str, path: Path) -> Page:
    front, rows = _front_matter(text, path)
    return _made(path, front, rows, text)


def _made(path: Path, front: Mapping[str, str], rows: int, text: str | None = None) -> Page:
    if not _NAME.fullmatch(path.stem):
        raise PageError(f"{path}:1: {path.stem!r} is not a rule name: lower-case words joined by hyphens")
    return Page(
        code=front["code"],
        name=path.stem,
        tiers=() if front["tier"] in ("none", "command") else tuple(front["tier"].split()),
        severity=Severity(front["severity"]),
        default=front["default"] == "on",
        fix=None if front["fix"] == "none" else Applicability(front["fix"]),
        since=front["since"],
        sources=front["sources"],
        path=path,
        rows=rows,
        command=front["tier"] == "command",
        known=text,
    )


def _head(path: Path) -> bytes:
    """How the page begins; nothing if it cannot be read."""
    try:
        # Without the layers of `open`, which take most of the time.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return b""
    try:
        return os.read(handle, _HEAD)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PageError(f"{path}:1: there is no such page") from None
    except UnicodeDecodeError:
        raise PageError(f"{path}:1: the page is not UTF-8") from None


def _front_matter(text: str, path: Path) -> tuple[dict[str, str], int]:
    """The key-value lines between the two `---`, and how many lines they take."""

    def fail(row: int, why: str) -> PageError:
        return PageError(f"{path}:{row}: {why}")

    front: dict[str, str] = {}
    for row, line in enumerate(io.StringIO(text), 1):
        line = line.rstrip("\r\n")
        if row == 1:
            if line != "---":
                break
            continue
        if line == "---":
            if missing := [key for key in KEYS if key not in front]:
                raise fail(row, f"the front matter lacks `{missing[0]}`")
            return front, row
        key, colon, value = line.partition(": ")
        if not colon or not value.strip():
            raise fail(row, f"front matter is `key: value` lines, not {line!r}")
        if key not in KEYS:
            raise fail(row, f"unknown key `{key}`; the keys are {', '.join(KEYS)}")
        if key in front:
            raise fail(row, f"`{key}` is given twice")
        front[key] = value.strip()
        if not re.fullmatch(VALUES[key], front[key]):
            raise fail(row, f"`{value.strip()}` is not a value of `{key}`")
    if front:
        raise fail(1, "the front matter is never closed by `---`")
    raise fail(1, "a page begins with front matter between two `---` lines")
