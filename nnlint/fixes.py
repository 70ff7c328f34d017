"""Turns a rule's draft into edits of text, and applies edits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nnlint.finding import Applicability, Edit, Fix, Position, Span
from nnlint.lines import split_lines
from nnlint.rule import Change, Draft, Insertion, Removal, Replacement

if TYPE_CHECKING:
    import libcst as cst


_COMMENT = re.compile(r"#.*")
_REST_OF_LINE = re.compile(r"\s*,?\s*(?:#.*)?")


def fix_of(
    draft: Draft, page_level: Applicability | None, spans: Mapping[cst.CSTNode, Span], lines: Sequence[str]
) -> Fix | None:
    """The fix in terms of text; `spans` knows the place of every node in the draft.

    None if it would take more away than it should; one that drops a comment is unsafe.
    """
    level = draft.applicability or page_level or Applicability.UNSAFE
    edits = []
    for change in draft.changes:
        edit = _edit(change, spans, lines)
        if edit is None:
            return None
        edits.append(edit)
        if edit.span.start != edit.span.end and _comments(_text(edit.span, lines)) - _comments(edit.content):
            level = Applicability.UNSAFE
    return Fix(draft.message, level, tuple(sorted(edits)))


def nodes_of(draft: Draft) -> Iterator[cst.CSTNode]:
    """The nodes whose places `fix_of` needs."""
    for change in draft.changes:
        if isinstance(change, Insertion):
            yield change.anchor
            continue
        yield change.node
        if isinstance(change, Removal) and change.after is not None:
            yield change.after


def _comments(code: str) -> set[str]:
    """The comments in a piece of code; a `#` in a string may pass for one."""
    return {comment.rstrip() for comment in _COMMENT.findall(code)} if "#" in code else set()


def _text(span: Span, lines: Sequence[str]) -> str:
    first, last = span.start.row - 1, span.end.row - 1
    if first == last:
        return lines[first][span.start.column - 1 : span.end.column - 1]
    tail = lines[last][: span.end.column - 1] if last < len(lines) else ""
    return "\n".join([lines[first][span.start.column - 1 :], *lines[first + 1 : last], tail])


def _edit(change: Change, spans: Mapping[cst.CSTNode, Span], lines: Sequence[str]) -> Edit | None:
    if isinstance(change, Replacement):
        return Edit(spans[change.node], change.code)
    if isinstance(change, Removal):
        return _removal(change, spans, lines)
    span = spans[change.anchor]
    place = span.end if change.after else span.start
    content = change.code
    if change.line:
        first = lines[span.start.row - 1]
        indent = first[: len(first) - len(first.lstrip())]
        newline = _line_break(first) or _line_break(lines[0]) or "\n"
        row = place.row + 1 if change.after else span.start.row
        content = "".join(f"{indent}{line}{newline}" for line in change.code.split("\n"))
        if row > len(lines):  # after the last line: there may be no line break to stand behind
            last = lines[-1].rstrip("\r\n")
            place, content = Position(len(lines), len(last) + 1), newline + content.rstrip("\r\n")
        else:
            place = Position(row, 1)
    return Edit(Span(place, place), content)


def _removal(change: Removal, spans: Mapping[cst.CSTNode, Span], lines: Sequence[str]) -> Edit | None:
    span = spans[change.node]
    before = lines[span.start.row - 1][: span.start.column - 1]
    rest = lines[span.end.row - 1][span.end.column - 1 :].rstrip("\r\n")
    if not before.strip() and _REST_OF_LINE.fullmatch(rest):
        return Edit(Span(Position(span.start.row, 1), Position(span.end.row + 1, 1)), "")
    return Edit(Span(spans[change.after].end, span.end), "") if change.after is not None else None


def _line_break(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def compatible(fixes: Iterable[Fix]) -> list[Fix]:
    """Those that can be applied together, first come first served; one that touches an earlier one waits.

    The same fix offered twice is there twice, and counts as applied twice.
    """
    chosen: list[Fix] = []
    taken: set[Edit] = set()
    known: set[tuple[Edit, ...]] = set()
    for fix in fixes:
        new = [edit for edit in fix.edits if not (edit in taken and _is_line(edit))]
        if fix.edits in known or not any(_clash(edit, other) for edit in new for other in taken):
            chosen.append(fix)
            known.add(fix.edits)
            taken.update(new)
    return chosen


def apply(text: str, fixes: Iterable[Fix]) -> str:
    """The text with the compatible ones among the fixes applied.

    Callers lint and apply again until nothing changes.
    """
    return edited(text, (edit for fix in compatible(fixes) for edit in fix.edits))


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with edits that do not touch each other applied."""
    starts = [0]
    for line in split_lines(text, keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(position: Position) -> int:
        return starts[position.row - 1] + position.column - 1

    for edit in sorted(set(edits), reverse=True):
        text = text[: offset(edit.span.start)] + edit.content + text[offset(edit.span.end) :]
    return text


def _clash(edit: Edit, other: Edit) -> bool:
    one, two = edit.span, other.span
    return edit.cell == other.cell and one.start <= two.end and two.start <= one.end


def _is_line(edit: Edit) -> bool:
    """An insertion of whole lines, such as an import: several fixes may share one."""
    return edit.span.start == edit.span.end and edit.span.start.column == 1 and edit.content.endswith("\n")
