"""Reviewed verdicts on findings, kept as JSON lines; a verdict follows its line when the line moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("verdicts.jsonl")


class Verdict(str, Enum):
    """`debatable`: the code does what the message says, but its author may have wanted that."""

    TRUE = "true"
    FALSE = "false"
    DEBATABLE = "debatable"


class VerdictError(Exception):
    """verdicts.jsonl cannot be read; the message has the line number."""


@dataclass(frozen=True, order=True)
class Key:
    """What a verdict is about. Of the line only a hash is kept: other people's code stays outside."""

    package: str
    path: str
    code: str
    line_hash: str

    def draft(self) -> str:
        """A line for verdicts.jsonl, to be filled in."""
        return json.dumps({**vars(self), "verdict": "", "reason": ""})


@dataclass(frozen=True)
class Unseen:
    """What a round on code that no rule had seen found with one key: the severity that it had on that day,
    and how many findings got which verdict (a line may stand in a file several times)."""

    round: int
    severity: str
    counts: dict[Verdict, int]

    def row(self) -> dict[str, Any]:
        counts = {verdict.value: count for verdict, count in self.counts.items()}
        return {"round": self.round, "severity": self.severity, **counts}

    @classmethod
    def read(cls, row: dict[str, Any]) -> Unseen:
        counts = {Verdict(key): int(row[key]) for key in row if key not in ("round", "severity")}
        return cls(int(row["round"]), str(row["severity"]), counts)


@dataclass(frozen=True)
class Review:
    """A verdict and its reason in one line."""

    key: Key
    verdict: Verdict
    reason: str
    unseen: Unseen | None = None

    def line(self) -> str:
        """Its line of verdicts.jsonl."""
        row = {**vars(self.key), "verdict": self.verdict.value, "reason": self.reason}
        return json.dumps({**row, "unseen": self.unseen.row()} if self.unseen else row)


def line_hash(line: str) -> str:
    """The same for a line whose indentation changed."""
    return hashlib.sha256(line.strip().encode()).hexdigest()[:12]


def load(file: Path = FILE) -> dict[Key, Review]:
    """All verdicts; two on one key, or an unfinished one, is an error."""
    reviews: dict[Key, Review] = {}
    for number, review in _read(file):
        if review.key in reviews:
            raise VerdictError(f"{file.name}:{number}: a second verdict on the same line")
        reviews[review.key] = review
    return reviews


def _read(file: Path) -> Iterator[tuple[int, Review]]:
    for number, text in enumerate(file.read_text().splitlines(), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            verdict, reason = Verdict(row.pop("verdict")), row.pop("reason").strip()
            unseen = Unseen.read(row.pop("unseen")) if "unseen" in row else None
            review = Review(Key(**row), verdict, reason, unseen)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VerdictError(f"{file.name}:{number}: {error}") from None
        if not reason:
            raise VerdictError(f"{file.name}:{number}: a verdict needs a reason")
        yield number, review


@dataclass
class Tally:
    """Findings of one rule or severity, by verdict."""

    findings: int = 0
    true: int = 0
    false: int = 0
    debatable: int = 0

    def add(self, verdict: Verdict | None, times: int = 1) -> None:
        self.findings += times
        if verdict:
            setattr(self, verdict.value, getattr(self, verdict.value) + times)

    @property
    def reviewed(self) -> int:
        return self.true + self.false + self.debatable

    @property
    def unreviewed(self) -> int:
        return self.findings - self.reviewed

    @property
    def precision(self) -> float | None:
        """The share of true ones; a debatable one counts as not true."""
        return self.true / self.reviewed if self.reviewed else None

    @property
    def decided(self) -> float | None:
        """The share of true ones among those that are true or false."""
        return self.true / (self.true + self.false) if self.true + self.false else None

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        parts = list(tallies)
        return cls(
            sum(part.findings for part in parts),
            sum(part.true for part in parts),
            sum(part.false for part in parts),
            sum(part.debatable for part in parts),
        )
