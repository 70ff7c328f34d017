"""How often each rule has spoken."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from nnlint.finding import Report


@dataclass(frozen=True, slots=True)
class RuleCount:
    """One rule's findings in a report."""

    code: str
    name: str
    count: int
    fixable: int  # without asking for more than the report was asked for

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def by_rule(report: Report) -> list[RuleCount]:
    """The rules that have spoken, the loudest first."""
    counts = Counter((finding.code, finding.name) for finding in report.findings)
    fixable = Counter(finding.code for finding in report.findings if finding.fixable(report.unsafe_fixes))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [RuleCount(code, name, count, fixable[code]) for (code, name), count in ordered]
