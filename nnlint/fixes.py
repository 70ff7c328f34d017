"""Turns a rule's draft into edits of text, and applies edits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nnlint.finding import Applicability, Edit, Fix, Position, Span
from nnlint.lines import split_lines
from nnlint.rule import Change, Draft, Replacement

if TYPE_CHECKING:
    import libcst as cst


def fix_of(
    draft: Draft, page_level: Applicability | None, spans: Mapping[cst.CSTNode, Span], lines: Sequence[str]
) -> Fix:
    """The fix in terms of text; `spans` knows the place of every node in the draft."""
    level = draft.applicability or page_level or Applicability.UNSAFE
    edits = tuple(_edit(change, spans, lines) for change in draft.changes)
    return Fix(draft.message, level, tuple(sorted(edits)))


def nodes_of(draft: Draft) -> list[cst.CSTNode]:
    """The nodes whose places `fix_of` needs."""
    return [change.node if isinstance(change, Replacement) else change.anchor for change in draft.changes]


def _edit(change: Change, spans: Mapping[cst.CSTNode, Span], lines: Sequence[str]) -> Edit:
    if isinstance(change, Replacement):
        return Edit(spans[change.node], change.code)
    span = spans[change.anchor]
    place = span.end if change.after else span.start
    content = change.code
    if change.line:
        first = lines[span.start.row - 1]
        indent = first[: len(first) - len(first.lstrip())]
        row = place.row + 1 if change.after else span.start.row
        content = "".join(f"{indent}{line}\n" for line in change.code.split("\n"))
        if row > len(lines):  # after the last line: there may be no newline to stand behind
            place, content = Position(len(lines), len(lines[-1]) + 1), "\n" + content.rstrip("\n")
        else:
            place = Position(row, 1)
    return Edit(Span(place, place), content)


def apply(text: str, fixes: Iterable[Fix]) -> str:
    """The text with the fixes applied, first come first served; a fix that touches an earlier one waits.

    Callers lint and apply again until nothing changes.
    """
    starts = [0]
    for line in split_lines(text, keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(position: Position) -> int:
        return starts[position.row - 1] + position.column - 1

    taken: list[tuple[int, int, str]] = []
    for fix in fixes:
        edits = [(offset(edit.span.start), offset(edit.span.end), edit.content) for edit in fix.edits]
        if not any(_clash(edit, other) for edit in edits for other in taken):
            taken.extend(edits)
    for start, end, content in sorted(taken, reverse=True):
        text = text[:start] + content + text[end:]
    return text


def _clash(edit: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return edit[0] <= other[1] and other[0] <= edit[1]
