"""Whether a glimpse of a file ever says anything else than libcst's tree does, on any code.

python tests/glimpses.py DIR …             every Python file below, all rules
python tests/glimpses.py --every 5 DIR …   each fifth of them
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from support import every_rule

from nnlint import source_tier
from nnlint.finding import Finding, NotRun
from nnlint.registry import looking_at, speaking
from nnlint.rule import Rule
from nnlint.static.source import Source, SourceError


@dataclass(frozen=True)
class Seen:
    """What is said of a file at a glimpse, and after reading it: findings, and what went wrong."""

    glimpsed: tuple[list[Finding], list[NotRun]]
    read: tuple[list[Finding], list[NotRun]]
    sure: bool  # of all rules


def both(rules: Sequence[Rule], source: Source) -> Seen | None:
    """The two readings of a file; None where there is no glimpse of it. Raises SourceError."""
    due = speaking(rules, source.text)
    seen = source_tier.glimpse(due, source)
    if seen is None:
        return None
    with patch.object(source_tier, "glimpse", lambda *_: seen):
        glimpsed = source_tier.run(due, source)
    with patch.object(source_tier, "glimpse", lambda *_: None):
        return Seen(glimpsed, source_tier.run(due, source), not seen[1])


@dataclass
class Count:
    """What came of it."""

    files: int = 0
    sketched: int = 0
    findings: int = 0
    differ: list[str] = field(default_factory=list)


def compare(files: Sequence[Path]) -> Count:
    """Both readings of every file that passes the gate."""
    count, rules = Count(), looking_at("S", every_rule().rules)
    for path in files:
        source = Source.read(path)
        if not source.gate():
            continue
        count.files += 1
        try:
            seen = both(rules, source)
        except SourceError as error:
            # Read at a glimpse, and refused by libcst.
            if source_tier.glimpse([], source) is not None:
                count.differ.append(f"{path}: {error.message}")
            continue
        if seen is not None:
            count.sketched += 1
            count.findings += len(seen.glimpsed[0])
            if seen.glimpsed != seen.read:
                count.differ.append(f"{path}: {seen}")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one file in N")
    options = parser.parse_args()
    files = [path for folder in options.folders for path in sorted(folder.rglob("*.py")) if path.is_file()]
    count = compare(files[:: options.every])
    print(f"{count.files} files of the torch world, {count.sketched} read at a glimpse, "
          f"{count.findings} findings in them, {len(count.differ)} files differ")  # fmt: skip
    for line in count.differ:
        print(line)
    return bool(count.differ)


if __name__ == "__main__":
    raise SystemExit(main())
