"""The only reader of ignore comments.

`# nnlint: ignore[NNL201] reason` speaks for the statement it ends, or, alone on its line, for the
next one. `# nnlint: file-ignore[NNL201]` speaks for the whole file. `# noqa: NNL201` is honoured,
but only with codes. A comment that suppresses nothing, or is malformed, is itself a finding.
"""

from __future__ import annotations

import difflib
import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nnlint.finding import Finding, Span, Tier
from nnlint.page import Page

UNUSED = "NNL001"

_OWN = re.compile(r"#\s*nnlint\s*:\s*(?P<verb>[\w-]*)\s*(?:\[(?P<codes>[^\]]*)\])?")
_NOQA = re.compile(r"#\s*noqa\s*:\s*(?P<codes>[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*)", re.IGNORECASE)
_VERBS = ("ignore", "file-ignore")


@dataclass(frozen=True, slots=True)
class _Comment:
    text: str
    row: int
    column: int
    first: int  # the rows of the statement that the comment speaks for
    last: int
    offset: int = 0  # how many rows of the file come before the text that all these rows count in

    def span(self, start: int, end: int) -> Span:
        """The part of the comment's text from `start` to `end`."""
        row = self.row + self.offset
        return Span.of(row, self.column + start, row, self.column + end)


@dataclass(frozen=True, slots=True)
class _Suppression:
    code: str
    span: Span
    rows: range | None  # None: the whole file


def apply(
    findings: Iterable[Finding],
    text: str,
    filename: str,
    pages: Sequence[Page],
    ran: Collection[str],
    parts: Sequence[tuple[int, str]] = (),
) -> list[Finding]:
    """The findings that no comment suppresses, plus those about the comments themselves.

    A suppression counts as unused only if its rule is among those that `ran`. `parts`, if given, are the
    first rows and texts of which `text` is made: no comment speaks for a statement of the next part.
    """
    kept = list(findings)
    if "nnlint" not in text and "noqa" not in text and "NOQA" not in text:
        return kept
    by_key = {key: page for page in pages for key in (page.code, page.name)}
    about = by_key[UNUSED]
    suppressions: list[_Suppression] = []
    at: dict[tuple[str, int | None], list[_Suppression]] = {}  # by code and row; None: every row

    def complain(span: Span, message: str) -> None:
        if UNUSED in ran:
            kept.append(
                Finding(UNUSED, about.name, message, filename, span, about.severity, Tier.TOOL, about.url)
            )

    comments = (
        replace(comment, offset=first - 1)
        for first, part in parts or ((1, text),)
        for comment in _comments(part)
    )
    for comment in comments:
        for span, key, rows, fault in _read(comment):
            page = by_key.get(key) or by_key.get(key.upper())
            if fault:
                complain(span, fault)
            elif page is None:
                close = difflib.get_close_matches(key, by_key, 1)
                complain(span, f"no rule `{key}`" + (f"; did you mean `{close[0]}`?" if close else ""))
            else:
                suppression = _Suppression(page.code, span, rows)
                suppressions.append(suppression)
                for row in rows or (None,):
                    at.setdefault((page.code, row), []).append(suppression)
    used: set[_Suppression] = set()

    def suppressed(finding: Finding) -> bool:
        hits = [*at.get((finding.code, finding.span.start.row), ()), *at.get((finding.code, None), ())]
        used.update(hits)
        return bool(hits)

    kept = [finding for finding in kept if finding.code == UNUSED or not suppressed(finding)]
    for suppression in suppressions:
        if suppression not in used and suppression.code in ran and suppression.code != UNUSED:
            where = "in this file" if suppression.rows is None else "here"
            complain(suppression.span, f"nothing {where} is reported as {suppression.code}")
    return [finding for finding in kept if finding.code != UNUSED or not suppressed(finding)]


def _read(comment: _Comment) -> Iterator[tuple[Span, str, range | None, str]]:
    """Each code or name a comment gives: where it stands, the rows it speaks for, what is wrong with it."""
    rows = range(comment.first + comment.offset, comment.last + comment.offset + 1)
    for match in _OWN.finditer(comment.text):
        whole = comment.span(match.start(), match.end())
        if match["verb"] not in _VERBS:
            close = difflib.get_close_matches(match["verb"], _VERBS, 1)
            meant = close[0] if close else _VERBS[0]
            yield whole, "", None, f"`{match['verb']}` is not understood; did you mean `{meant}[…]`?"
            continue
        keys = list(re.finditer(r"[^\s,]+", match["codes"] or ""))
        if not keys:
            yield whole, "", None, f"name the rules to ignore: `# nnlint: {match['verb']}[NNL…]`"
        for key in keys:
            start = match.start("codes") + key.start()
            span = comment.span(start, start + len(key[0]))
            yield span, key[0], None if match["verb"] == "file-ignore" else rows, ""
    for match in _NOQA.finditer(comment.text):
        for key in re.finditer(r"NNL\d+", match["codes"], re.IGNORECASE):
            start = match.start("codes") + key.start()
            yield comment.span(start, start + len(key[0])), key[0].upper(), rows, ""


def _comments(text: str) -> Iterator[_Comment]:
    """The comments of a file that may be ours, each with the rows of its statement."""
    waiting: list[tokenize.TokenInfo] = []  # since the last statement ended
    first = 0  # the row on which the current statement began; 0 between statements
    last = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            if token.type == tokenize.COMMENT:
                if "nnlint" in token.string or "noqa" in token.string.lower():
                    waiting.append(token)
            elif token.type == tokenize.NEWLINE:
                yield from (_comment(comment, first, token.start[0]) for comment in waiting)
                waiting, first = [], 0
            elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
                first = first or token.start[0]
            last = token.start[0]
    except (tokenize.TokenError, SyntaxError):
        # libcst parsed the file, so this is a newer grammar than this Python's; what was read stands.
        pass
    yield from (_comment(comment, comment.start[0], max(last, comment.start[0])) for comment in waiting)


def _comment(token: tokenize.TokenInfo, first: int, last: int) -> _Comment:
    return _Comment(token.string, token.start[0], token.start[1] + 1, first, last)
