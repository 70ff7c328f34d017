"""For people: each finding with its code frame, why it matters and what to do.

Colours are written by hand: importing rich would cost a third of the time of linting a script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nnlint.finding import Finding, NotRun, Related, Report, Result, Severity, Span
from nnlint.lines import printable, split_lines
from nnlint.page import PageError, find_pages_dir, load_page

_WIDTH = 140  # longer source lines are cut around the span
_STYLES = {
    "bold": "1",
    "dim": "2",
    "blue": "1;34",
    Severity.ERROR: "1;31",
    Severity.WARNING: "1;33",
    Severity.INFO: "1;36",
}


def render(report: Report, *, color: bool = False) -> str:
    """The whole report, ending with a line that sums it up."""
    return _Text(report, color).render()


def statistics(report: Report, *, color: bool = False) -> str:
    """How often each rule has spoken, one a line, ending as the whole report does."""
    return _Text(report, color).statistics()


class _Text:
    def __init__(self, report: Report, color: bool) -> None:
        self.report = report
        self.color = color
        self.lines: dict[str, list[str]] = {}

    def render(self) -> str:
        return self.close(["\n".join(self.finding(finding)) for finding in self.report.findings])

    def statistics(self) -> str:
        """A line a rule: how often, code, `[*]` if --fix can deal with some of it, name."""
        from nnlint.statistics import by_rule

        counts = by_rule(self.report)
        width = max((len(str(count.count)) for count in counts), default=0)
        starred = any(count.fixable for count in counts)
        lines = [
            f"{count.count:{width}}  {count.code}  "
            + (f"{'[*]' if count.fixable else '   '} " if starred else "")
            + count.name
            for count in counts
        ]
        return self.close(["\n".join(lines)] if lines else [])

    def close(self, blocks: list[str]) -> str:
        """The blocks, then what did not happen, then the sum."""
        if self.report.results:
            blocks = [*blocks, "\n".join(self.result(entry) for entry in self.report.results)]
        if self.report.not_run:
            blocks = [*blocks, "\n".join(self.not_run(entry) for entry in self.report.not_run)]
        if self.report.skipped:
            blocks = [*blocks, "\n".join(self.skipped())]
        ending = "\n".join(filter(None, (self.summary(), self.fixable(), self.stale())))
        return "\n\n".join([*blocks, ending]) + "\n"

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color else text

    def finding(self, finding: Finding) -> Iterator[str]:
        """The finding as a block: header, frame, why, fix, help."""
        start = finding.span.start
        place = self.paint(f"{printable(finding.shown_name)}:{start.row}:{start.column}:", "bold")
        yield f"{place} {self.paint(finding.code, finding.severity)} {printable(finding.message)}"
        margin = len(str(max(span.start.row for span in self.spans(finding)) + 1))
        yield from self.frame(finding.shown_name, finding.span, margin, "^", finding.severity, context=1)
        for related in finding.related:
            yield from self.related(related, margin)
        if why := _lead(finding.name):
            label = self.paint(f"{finding.severity.value} [{finding.name}]", finding.severity)
            yield self.note(margin, f"{label}: {why}")
        if finding.fix:
            said = f"fix ({finding.fix.applicability.value}): {finding.fix.message}"
            yield self.note(margin, printable(said))
        yield self.note(margin, f"help: `nnlint explain {finding.code}`")

    def spans(self, finding: Finding) -> list[Span]:
        return [finding.span, *(related.span for related in finding.related)]

    def related(self, related: Related, margin: int) -> Iterator[str]:
        start = related.span.start
        said = f"note: {related.shown_name}:{start.row}:{start.column}: {related.message}"
        yield self.note(margin, printable(said))
        yield from self.frame(related.shown_name, related.span, margin, "-", "blue", context=0)

    def note(self, margin: int, text: str) -> str:
        return f"{' ' * margin} {self.paint('=', 'blue')} {text}"

    def frame(
        self, filename: str, span: Span, margin: int, mark: str, style: str, context: int
    ) -> Iterator[str]:
        """The span's first line, underlined, with some lines around it."""
        lines = self.source(filename)
        row = span.start.row
        if not 0 < row <= len(lines):
            return
        bar = self.paint("|", "blue")
        empty = f"{' ' * margin} {bar}"
        yield empty
        for number in range(max(1, row - context), min(len(lines), row + context) + 1):
            if number != row and not lines[number - 1].strip():
                continue
            shown, marks = _cut(lines[number - 1], span if number == row else None)
            yield f"{self.paint(str(number).rjust(margin), 'blue')} {bar} {shown}".rstrip()
            if number == row:
                yield f"{empty} {' ' * marks[0]}{self.paint(mark * marks[1], style)}"
        yield empty

    def source(self, filename: str) -> Sequence[str]:
        if filename not in self.lines:
            self.lines[filename] = split_lines(self.report.sources.get(filename, ""))
        return self.lines[filename]

    def not_run(self, entry: NotRun) -> str:
        where = f"{entry.filename}: " if entry.filename else ""
        said = printable(f"{where}{entry.what}: {entry.why}")
        return f"{self.paint('not run:', Severity.ERROR)} {said}"

    def result(self, entry: Result) -> str:
        return f"{self.paint('result:', 'blue')} {printable(f'{entry.what}: {entry.text}')}"

    def skipped(self) -> Iterator[str]:
        """A line for each reason, with all that it holds for."""
        reasons: dict[str, list[str]] = {}
        for entry in self.report.skipped:
            reasons.setdefault(entry.why, []).append(entry.what)
        for why, what in reasons.items():
            said = printable(f"{', '.join(what)}: {why}")
            yield f"{self.paint('skipped:', 'dim')} {said}"

    def summary(self) -> str:
        """What was found in how many files."""
        report = self.report
        files = _count(report.files, "file")
        if report.files == 0:
            return "No Python files found."
        counts = Counter(finding.severity for finding in report.findings)
        parts = [
            _count(counts[severity], "note" if severity is Severity.INFO else severity.value)
            for severity in Severity
            if counts[severity]
        ]
        time = f" ({report.seconds:.2f} s)."
        if report.fixed:
            left = len(report.findings)
            total = _count(report.fixed + left, "finding")
            return f"Found {total} ({report.fixed} fixed, {left} remaining) in {files}{time}"
        if not parts:
            return f"No findings in {files}{time}"
        return f"Found {_enumerate(parts)} in {files}{time}"

    def stale(self) -> str:
        """That the baseline knows more than there is; empty if it does not."""
        stale = self.report.stale
        if not stale:
            return ""
        return (
            f"{_count(stale, 'finding')} of the baseline no longer found; `nnlint baseline` writes it anew."
        )

    def fixable(self) -> str:
        """How many of the findings `--fix` could deal with; empty if there is none."""
        fixable = sum(finding.fixable(self.report.unsafe_fixes) for finding in self.report.findings)
        hidden = sum(finding.fixable(unsafe=True) for finding in self.report.findings) - fixable
        more = f" ({_count(hidden, 'hidden fix', 'es')} can be enabled with --unsafe-fixes)" if hidden else ""
        if not fixable and not hidden:
            return ""
        return f"{fixable or 'None'} fixable with --fix{more}."


def _lead(name: str) -> str:
    try:
        return load_page(find_pages_dir() / f"{name}.md").lead
    except PageError:
        # A report may come from elsewhere (JSON of another version) and name a rule unknown here.
        return ""


def _cut(line: str, span: Span | None) -> tuple[str, tuple[int, int]]:
    """The line as it is shown, and where and how long to mark it, in terminal columns."""
    start = span.start.column - 1 if span else 0
    end = len(line.rstrip())
    if span and span.end.row == span.start.row:
        end = span.end.column - 1
    offset = 0
    if len(line) > _WIDTH:
        offset = max(0, min(start - _WIDTH // 4, len(line) - _WIDTH))
        line = ("…" if offset else "") + line[offset + bool(offset) : offset + _WIDTH] + "…"
    start, end = start - offset, min(end - offset, len(line))
    return printable(line), (_columns(line[:start]), max(1, _columns(line[start:end])))


def _columns(text: str) -> int:
    shown = printable(text)
    if shown.isascii():
        return len(shown)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in shown)
    return len(shown) + wide - sum(unicodedata.combining(char) != 0 for char in shown)


def _count(number: int, noun: str, ending: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else ending}"


def _enumerate(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
