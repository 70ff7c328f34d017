"""`--add-ignores`: a comment for each finding, so that a project starts clean and only the new is told."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnlint import documents
from nnlint.engine import SYNTAX_ERROR, Linter
from nnlint.file_result import FileResult
from nnlint.finding import Applicability, Edit, Finding, Fix, NotRun, Position, Span
from nnlint.fixer import FixError, write
from nnlint.suppress import UNUSED

_OWN = re.compile(r"#\s*nnlint\s*:\s*ignore\s*\[[^\]]*")


@dataclass(slots=True)
class IgnoreAdder:
    """A treatment for `Linter.check` that writes the comments."""

    linter: Linter
    added: int = 0

    def __call__(self, data: bytes, result: FileResult) -> FileResult:
        """The result after the comments are written; after none where there is nothing to say."""
        due = [finding for finding in result.findings if finding.code not in (SYNTAX_ERROR, UNUSED)]
        if not due:
            return result
        try:
            document = documents.read(data, result.filename)
            after = document.repaired(comments(document, due))
            left = self.linter.check_bytes(after, result.filename)
            if before := document.compile_error():
                raise FixError(f"this Python does not compile the file: {before}")
            if why := documents.read(after, result.filename).compile_error():
                raise FixError(f"the file would not compile with the comments, so it stays as it is: {why}")
            if after != data:
                write(Path(result.filename), data, after)
        except FixError as error:
            return result._replace(not_run=(*result.not_run, NotRun("add", str(error), result.filename)))
        self.added += len(result.findings) - len(left.findings)
        return left


def comments(document: documents.Document, findings: Sequence[Finding]) -> list[Fix]:
    """What puts a comment at the end of each statement that has findings."""
    codes: dict[int, dict[str, Finding]] = {}
    ends = {
        row + first - 1: end + first - 1
        for first, text in document.parts
        for row, end in _statement_ends(text).items()
    }
    for finding in findings:
        inside = document.inward(finding)
        if (end := ends.get(inside.span.start.row)) is not None:
            codes.setdefault(end, {})[finding.code] = inside
    lines = [line.rstrip("\r\n") for _, text in document.parts for line in _padded(text)]
    chosen = []
    for row, found in codes.items():
        line = lines[row - 1]
        listed = ", ".join(sorted(found))
        own = _OWN.search(line)
        column = own.end() if own else len(line.rstrip())
        content = f", {listed}" if own else f"  # nnlint: ignore[{listed}]"
        place = Position(row, column + 1)
        fix = Fix("ignore", Applicability.SAFE, (Edit(Span(place, place), content),))
        outside = document.outward(replace(next(iter(found.values())), fix=fix))
        if outside.fix is not None:
            chosen.append(outside.fix)
    return chosen


def _padded(text: str) -> list[str]:
    """The lines of a part of a script, with the empty one that parts the cells of a notebook."""
    return [*io.StringIO(text, newline=None), ""]


def _statement_ends(text: str) -> dict[int, int]:
    """For each row of a statement (of a compound one: its header), the row on which it ends."""
    ends: dict[int, int] = {}
    first = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            if token.type == tokenize.NEWLINE:
                ends.update(dict.fromkeys(range(first, token.start[0] + 1), token.start[0]))
                first = 0
            elif token.type not in (
                tokenize.NL,
                tokenize.COMMENT,
                tokenize.INDENT,
                tokenize.DEDENT,
                tokenize.ENDMARKER,
            ):
                first = first or token.start[0]
    except (tokenize.TokenError, SyntaxError):
        # A newer grammar than this Python's; what was read stands.
        pass
    return ends
