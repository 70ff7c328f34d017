"""What every tier makes and every reporter reads: plain, frozen, ordered values that survive JSON.

No syntax node, tensor or module ever gets in here, so findings can be cached, compared and sent
between processes. The small ones are named tuples: making one such class takes a tenth of the time that a
dataclass takes, and a run over a file that has not changed does little else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple


class Severity(str, Enum):
    """How sure nnlint is that the author cannot have meant this."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


class Tier(str, Enum):
    """The evidence a finding stands on. `TOOL` marks what nnlint says about its own input."""

    STATIC = "static"
    GRAPH = "graph"
    EXPERIMENT = "experiment"
    TOOL = "tool"


class Applicability(str, Enum):
    """A safe fix keeps what the author meant; an unsafe one changes what the program computes."""

    SAFE = "safe"
    UNSAFE = "unsafe"


class Position(NamedTuple):
    """A place in a text; row and column count from 1, columns in code points."""

    row: int
    column: int

    def to_dict(self) -> dict[str, int]:
        return {"row": self.row, "column": self.column}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Position:
        return cls(data["row"], data["column"])


class Span(NamedTuple):
    """From `start` up to, and not including, `end`."""

    start: Position
    end: Position

    @classmethod
    def of(cls, row: int, column: int, end_row: int, end_column: int) -> Span:
        return cls(Position(row, column), Position(end_row, end_column))

    def to_dict(self) -> dict[str, Any]:
        return {"location": self.start.to_dict(), "end_location": self.end.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Span:
        return cls(Position.from_dict(data["location"]), Position.from_dict(data["end_location"]))


def shown_name(filename: str, cell: int | None) -> str:
    """How a place's file is written: `train.py`, or `train.ipynb:cell 3` for a cell of a notebook."""
    return filename if cell is None else f"{filename}:cell {cell}"


def split_name(name: str) -> tuple[str, int | None]:
    """The file and the cell that `shown_name` has named."""
    match = re.fullmatch(r"(.*\.ipynb):cell (\d+)", name, re.IGNORECASE | re.DOTALL)
    return (match[1], int(match[2])) if match else (name, None)


class Edit(NamedTuple):
    """Replace the text of `span` by `content`; an empty span inserts.

    In a notebook `cell` is the cell's number among all cells, from 1, and the span counts within it.
    """

    span: Span
    content: str
    cell: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"content": self.content, "cell": self.cell, **self.span.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Edit:
        return cls(Span.from_dict(data), data["content"], data.get("cell"))


class Fix(NamedTuple):
    """Edits that belong together: all are applied or none."""

    message: str
    applicability: Applicability
    edits: tuple[Edit, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "message": self.message,
            "applicability": self.applicability.value,
            "edits": [edit.to_dict() for edit in self.edits],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fix:
        edits = tuple(Edit.from_dict(edit) for edit in data["edits"])
        return cls(data["message"], Applicability(data["applicability"]), edits)


class Related(NamedTuple):
    """Another place that the reader needs to see to understand the finding."""

    message: str
    filename: str
    span: Span
    cell: int | None = None  # as in Edit

    def to_dict(self) -> dict[str, Any]:
        place = {"filename": self.filename, "cell": self.cell, **self.span.to_dict()}
        return {"message": self.message, **place}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Related:
        return cls(data["message"], data["filename"], Span.from_dict(data), data.get("cell"))

    @property
    def shown_name(self) -> str:
        return shown_name(self.filename, self.cell)


@dataclass(frozen=True, slots=True)
class Finding:
    """One bug at one place."""

    code: str
    name: str
    message: str
    filename: str
    span: Span
    severity: Severity
    tier: Tier
    url: str
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)
    cell: int | None = None  # as in Edit
    # Names of rules whose findings follow from this one.
    explains: tuple[str, ...] = ()

    @property
    def sort_key(self) -> tuple[str, int, Span, str, str]:
        """Path, cell, row, column, code; the message only makes the order total."""
        return (self.filename, self.cell or 0, self.span, self.code, self.message)

    @property
    def shown_name(self) -> str:
        """The file, and the cell of a notebook, as people read it; also the key of `Report.sources`."""
        return shown_name(self.filename, self.cell)

    def __lt__(self, other: Finding) -> bool:
        return self.sort_key < other.sort_key

    def fixable(self, unsafe: bool = False) -> bool:
        """Whether it has a fix, and a safe one unless `unsafe` ones will do."""
        return self.fix is not None and (unsafe or self.fix.applicability is Applicability.SAFE)

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "name": self.name,
            "message": self.message,
            "filename": self.filename,
            "cell": self.cell,
            **self.span.to_dict(),
            "severity": self.severity.value,
            "tier": self.tier.value,
            "url": self.url,
            "fix": self.fix.to_dict() if self.fix else None,
            "related": [related.to_dict() for related in self.related],
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        return cls(
            code=data["code"],
            name=data["name"],
            message=data["message"],
            filename=data["filename"],
            span=Span.from_dict(data),
            severity=Severity(data["severity"]),
            tier=Tier(data["tier"]),
            url=data["url"],
            fix=Fix.from_dict(data["fix"]) if data["fix"] else None,
            related=tuple(Related.from_dict(related) for related in data["related"]),
            evidence=data["evidence"],
            cell=data.get("cell"),
        )


class NotRun(NamedTuple):
    """Something that was asked for and did not happen; silence must never read as clean."""

    what: str
    why: str
    filename: str = ""

    def to_dict(self) -> dict[str, str]:
        return {"what": self.what, "why": self.why, "filename": self.filename}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NotRun:
        return cls(data["what"], data["why"], data["filename"])


@dataclass(frozen=True, slots=True)
class Result:
    """What an experiment that was asked for has found out where nothing is wrong."""

    what: str
    text: str
    filename: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "text": self.text,
            "filename": self.filename,
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        return cls(data["what"], data["text"], data["filename"], data["evidence"])


@dataclass(frozen=True, slots=True)
class Report:
    """All that one invocation has to say."""

    findings: tuple[Finding, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    # Experiments that do not apply to this script, or that told too little: nothing is wrong with that.
    skipped: tuple[NotRun, ...] = ()
    results: tuple[Result, ...] = ()
    files: int = 0
    seconds: float = 0.0
    # With which every process of a run began; None where nothing was run.
    seed: int | None = None
    # By `shown_name`, the text of each file (of a notebook: each cell) that has findings, as it was linted:
    # reporters draw code frames from it and read nothing themselves. It is not part of the report's value,
    # nor of its JSON.
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    # What `--fix` has dealt with, and whether unsafe fixes were asked for; for people, not in the JSON.
    fixed: int = field(default=0, compare=False)
    unsafe_fixes: bool = field(default=False, compare=False)
    # How many findings the baseline knows and nobody has found; for people, too.
    stale: int = field(default=0, compare=False)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of the gravest kind: `assert not report.errors`."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    def status(self, fail_on: Severity = Severity.INFO) -> int:
        """The exit status: 2 if anything was not run, 1 for findings at or above `fail_on`, else 0."""
        if self.not_run:
            return 2
        return int(any(finding.severity.rank <= fail_on.rank for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "not_run": [entry.to_dict() for entry in self.not_run],
            "skipped": [entry.to_dict() for entry in self.skipped],
            "results": [entry.to_dict() for entry in self.results],
            "summary": {
                "files": self.files,
                "findings": len(self.findings),
                "seconds": round(self.seconds, 3),
                "seed": self.seed,
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        return cls(
            findings=tuple(Finding.from_dict(finding) for finding in data["findings"]),
            not_run=tuple(NotRun.from_dict(entry) for entry in data["not_run"]),
            skipped=tuple(NotRun.from_dict(entry) for entry in data.get("skipped", ())),
            results=tuple(Result.from_dict(entry) for entry in data.get("results", ())),
            files=data["summary"]["files"],
            seconds=data["summary"]["seconds"],
            seed=data["summary"].get("seed"),
        )
