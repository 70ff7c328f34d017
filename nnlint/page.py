"""Reads a rule's page, strictly: whatever is wrong with it is said with file and line.

The page is the only place for a rule's code, severity, tiers, default, fix level and examples;
CONTRIBUTING.md shows its form. A page with `tier: none` describes something nnlint itself says
(such as a file that does not parse) and has no module.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from nnlint.finding import Applicability, Severity
from nnlint.lines import split_lines

KEYS = ("code", "tier", "severity", "default", "fix", "since", "sources")
SECTIONS = (
    "Why this is bad",
    "How it is detected",
    "Example",
    "Known limits",
    "References",
    "Edge cases",
)
EXAMPLE_SECTIONS = ("Example", "Edge cases")

_CODE = re.compile(r"NNL\d{3}")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SINCE = re.compile(r"\d+\.\d+\.\d+")
_MARK = re.compile(r"# error:")
_EXPECTATION = re.compile(r'# error:\s*\[([a-z0-9-]+)\](?:\s*"([^"]*)")?\s*(?=# error:|$)')


class PageError(Exception):
    """A page that breaks the form; the message starts with its file and line."""


@dataclass(frozen=True, slots=True, order=True)
class Expectation:
    """A marked line: a finding named `name` must start there, its message containing `part`."""

    row: int
    name: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block: a complete file, with the line of the page that its first line stands on."""

    kind: Literal["bad", "good"]
    text: str
    line: int
    description: str = ""
    expectations: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
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
    lead: str
    body: str = field(repr=False)
    sections: Mapping[str, str] = field(repr=False, hash=False)
    examples: tuple[Example, ...] = field(repr=False)
    path: Path

    @property
    def url(self) -> str:
        """The page as it was installed: readable offline, and of the version that spoke."""
        return self.path.resolve().as_uri()


def expectations(text: str) -> tuple[Expectation, ...]:
    """The `# error: [name] "part of the message"` marks of a file; ValueError for a malformed one."""
    found: list[Expectation] = []
    if "# error:" not in text:
        return ()
    for row, line in enumerate(split_lines(text), 1):
        marks = len(_MARK.findall(line))
        matches = list(_EXPECTATION.finditer(line))
        if len(matches) != marks:
            raise ValueError(f'line {row}: an expectation reads `# error: [rule-name] "part of the message"`')
        found.extend(Expectation(row, match[1], match[2] or "") for match in matches)
    return tuple(found)


def find_pages_dir() -> Path:
    """The rule book: `rules/` beside the package in a checkout, `nnlint/_pages` when installed."""
    package = Path(__file__).parent
    installed = package / "_pages"
    return installed if installed.is_dir() else package.parent / "rules"


def load_pages(folder: Path | None = None) -> tuple[Page, ...]:
    """Every page of the rule book, sorted by code; two pages with one code are an error."""
    folder = folder or find_pages_dir()
    pages = sorted((load_page(path) for path in folder.glob("*.md")), key=lambda page: (page.code, page.name))
    for first, second in itertools.pairwise(pages):
        if first.code == second.code:
            raise PageError(f"{second.path}:2: {second.code} is already the code of {first.name}")
    return tuple(pages)


@cache
def load_page(path: Path) -> Page:
    """One page of the rule book."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PageError(f"{path}:1: there is no such page") from None
    except UnicodeDecodeError:
        raise PageError(f"{path}:1: the page is not UTF-8") from None
    return parse_page(text, path)


def parse_page(text: str, path: Path) -> Page:
    """The page in `text`; `path` gives its name and stands in errors."""
    return _Parser(text, path).page()


class _Parser:
    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.lines = split_lines(text)

    def fail(self, index: int, why: str) -> PageError:
        return PageError(f"{self.path}:{index + 1}: {why}")

    def page(self) -> Page:
        name = self.path.stem
        if not _NAME.fullmatch(name):
            raise self.fail(0, f"{name!r} is not a rule name: lower-case words joined by hyphens")
        front, start = self.front_matter()
        title = self.next_text(start)
        if title is None or self.lines[title] != f"# {name} ({front['code']})":
            raise self.fail(title or start, f"the title must read `# {name} ({front['code']})`")
        lead, at = self.lead(title + 1)
        sections, examples = self.sections(at)
        if not {"bad", "good"} <= {example.kind for example in examples}:
            raise self.fail(title, "a page needs at least one `py bad` and one `py good` example")
        return Page(
            code=front["code"],
            name=name,
            tiers=() if front["tier"] == "none" else tuple(front["tier"].split()),
            severity=Severity(front["severity"]),
            default=front["default"] == "on",
            fix=None if front["fix"] == "none" else Applicability(front["fix"]),
            since=front["since"],
            sources=front["sources"],
            lead=lead,
            body="\n".join(self.lines[title:]) + "\n",
            sections=sections,
            examples=tuple(examples),
            path=self.path,
        )

    def front_matter(self) -> tuple[dict[str, str], int]:
        """The key-value lines between the two `---`, and the index of the line after them."""
        if not self.lines or self.lines[0] != "---":
            raise self.fail(0, "a page begins with front matter between two `---` lines")
        front: dict[str, str] = {}
        for index, line in enumerate(self.lines[1:], 1):
            if line == "---":
                if missing := [key for key in KEYS if key not in front]:
                    raise self.fail(index, f"the front matter lacks `{missing[0]}`")
                return front, index + 1
            key, colon, value = line.partition(": ")
            if not colon or not value.strip():
                raise self.fail(index, f"front matter is `key: value` lines, not {line!r}")
            if key not in KEYS:
                raise self.fail(index, f"unknown key `{key}`; the keys are {', '.join(KEYS)}")
            if key in front:
                raise self.fail(index, f"`{key}` is given twice")
            front[key] = value.strip()
            if not _valid(key, front[key]):
                raise self.fail(index, f"`{value.strip()}` is not a value of `{key}`")
        raise self.fail(0, "the front matter is never closed by `---`")

    def next_text(self, index: int) -> int | None:
        """The first line at or after `index` that is not blank."""
        return next((at for at in range(index, len(self.lines)) if self.lines[at].strip()), None)

    def lead(self, index: int) -> tuple[str, int]:
        """The one sentence under the title, and the index of the first section's heading."""
        first = self.next_text(index)
        if first is None or self.lines[first].startswith("#"):
            raise self.fail(first or index, "a one-sentence lead stands under the title")
        at = first
        while at < len(self.lines) and self.lines[at].strip():
            at += 1
        lead = " ".join(line.strip() for line in self.lines[first:at])
        if not lead.endswith(".") or re.search(r"[.!?] [A-Z]", lead):
            raise self.fail(first, "the lead is one sentence and ends with a full stop")
        heading = self.next_text(at)
        if heading is None or not self.lines[heading].startswith("## "):
            raise self.fail(heading or at, f"after the lead comes `## {SECTIONS[0]}`")
        return lead, heading

    def sections(self, index: int) -> tuple[dict[str, str], list[Example]]:
        """The sections in their fixed order, and the examples in them."""
        starts: dict[str, int] = {}
        examples: list[Example] = []
        current = ""
        lines = iter(range(index, len(self.lines)))
        for at in lines:
            line = self.lines[at]
            if line.startswith("```"):
                example, end = self.fence(at, current)
                if example:
                    examples.append(example)
                for skipped in lines:
                    if skipped == end:
                        break
            elif line.startswith("## "):
                current = line[3:]
                if len(starts) == len(SECTIONS) or current != SECTIONS[len(starts)]:
                    order = ", ".join(SECTIONS)
                    raise self.fail(at, f"`{line}` is out of place; the sections are, in order: {order}")
                starts[current] = at
            elif line.startswith("# "):
                raise self.fail(at, "a page has one title")
        if len(starts) < len(SECTIONS):
            raise self.fail(len(self.lines) - 1, f"the section `## {SECTIONS[len(starts)]}` is missing")
        return dict(self.section_texts(starts)), examples

    def section_texts(self, starts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        ends = [*list(starts.values())[1:], len(self.lines)]
        for (name, start), end in zip(starts.items(), ends, strict=True):
            text = "\n".join(self.lines[start + 1 : end]).strip()
            if not text:
                raise self.fail(start, f"the section `{name}` is empty")
            yield name, text

    def fence(self, start: int, section: str) -> tuple[Example | None, int]:
        """The fenced block that opens at `start`, if it is an example, and the line that closes it."""
        info = self.lines[start][3:].strip()
        end = next((at for at in range(start + 1, len(self.lines)) if self.lines[at] == "```"), None)
        if end is None:
            raise self.fail(start, "the fence is never closed")
        if info.split()[:1] != ["py"] or (info == "py" and section not in EXAMPLE_SECTIONS):
            return None, end
        kind: Literal["bad", "good"]
        if info == "py bad":
            kind = "bad"
        elif info == "py good":
            kind = "good"
        else:
            raise self.fail(start, f"a Python block opens with ```py bad or ```py good, not ```{info}")
        if section not in EXAMPLE_SECTIONS:
            raise self.fail(start, f"examples stand under {' and '.join(EXAMPLE_SECTIONS)}, not {section}")
        text = "\n".join(self.lines[start + 1 : end]) + "\n"
        try:
            expected = expectations(text)
        except ValueError as error:
            raise self.fail(start, f"in this example, {error}") from None
        if bool(expected) != (kind == "bad"):
            rule = "marks" if kind == "bad" else "never marks"
            raise self.fail(start, f"a {kind} example {rule} lines with `# error: [rule-name]`")
        return Example(kind, text, start + 2, self.description(start), expected), end

    def description(self, fence: int) -> str:
        """The paragraph directly above the fence, if there is one."""
        end = fence
        while end > 0 and not self.lines[end - 1].strip():
            end -= 1
        start = end
        while (
            start > 0 and self.lines[start - 1].strip() and not self.lines[start - 1].startswith(("#", "```"))
        ):
            start -= 1
        return " ".join(line.strip() for line in self.lines[start:end])


def _valid(key: str, value: str) -> bool:
    if key == "code":
        return _CODE.fullmatch(value) is not None
    if key == "tier":
        # In the order of the tiers, each once.
        return value == "none" or re.fullmatch(r"S( G)?( E)?|G( E)?|E", value) is not None
    if key == "severity":
        return value in {severity.value for severity in Severity}
    if key == "default":
        return value in ("on", "off")
    if key == "fix":
        return value in ("none", "safe", "unsafe")
    return key != "since" or _SINCE.fullmatch(value) is not None
