"""What a finding is known by when its file has changed: its rule and the code there, not the row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from nnlint.finding import Finding
from nnlint.lines import split_lines


def fingerprints(findings: Iterable[Finding], sources: Mapping[str, str]) -> list[str]:
    """One for each finding, in order; the same code twice has the same one twice.

    Made of the rule's code, the text of the line and the texts of the lines before and after it that are not
    empty, blanks aside: it survives lines that move, and a change of indentation. `sources` are the texts of
    the files, or cells, by `shown_name`.
    """
    lines = {name: split_lines(text) for name, text in sources.items()}
    return [_fingerprint(finding, lines.get(finding.shown_name, [])) for finding in findings]


def _fingerprint(finding: Finding, lines: Sequence[str]) -> str:
    row = finding.span.start.row
    before = next((line for line in reversed(lines[: row - 1]) if line.strip()), "")
    after = next((line for line in lines[row:] if line.strip()), "")
    own = lines[row - 1] if 0 < row <= len(lines) else ""
    parts = [finding.code, *("".join(line.split()) for line in (before, own, after))]
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:16]
