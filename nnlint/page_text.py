"""What stands on a rule's page below its front matter: title, lead, sections and examples, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nnlint.lines import split_lines
from nnlint.page import Page, PageError

SECTIONS = (
    "Why this is bad",
    "How it is detected",
    "Example",
    "Known limits",
    "References",
    "Edge cases",
)
EXAMPLE_SECTIONS = ("Example", "Edge cases")

_MARK = re.compile(r"# error:")
_EXPECTATION = re.compile(r'# error:\s*\[([a-z0-9-]+)\](?:\s*"([^"]*)")?\s*(?=# error:|$)')


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
class Content:
    """The text of a page in its parts."""

    lead: str
    body: str
    sections: Mapping[str, str]
    examples: tuple[Example, ...]


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


def read_content(page: Page) -> Content:
    """The parts of the page's text; PageError says what is wrong with it, and on which line."""
    return _Parser(page).content()


class _Parser:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.lines = split_lines(page.text)

    def fail(self, index: int, why: str) -> PageError:
        return PageError(f"{self.page.path}:{index + 1}: {why}")

    def content(self) -> Content:
        start = self.page.rows
        heading = f"# {self.page.name} ({self.page.code})"
        title = self.next_text(start)
        if title is None or self.lines[title] != heading:
            raise self.fail(title or start, f"the title must read `{heading}`")
        lead, at = self.lead(title + 1)
        sections, examples = self.sections(at)
        if self.page.command:
            if "```console" not in self.lines:
                raise self.fail(title, "a page about a command needs at least one `console` example")
        elif not {"bad", "good"} <= {example.kind for example in examples}:
            raise self.fail(title, "a page needs at least one `py bad` and one `py good` example")
        return Content(lead, "\n".join(self.lines[title:]) + "\n", sections, tuple(examples))

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
