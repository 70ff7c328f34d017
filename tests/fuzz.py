"""`python tests/fuzz.py --programs 20000`: random changes to training code, in search of a failure.

Prints each program that makes nnlint fail (it stays in a file), and a count; exits with 1 if there was one.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mutants import is_program, mutant
from support import CHECKOUT, every_rule

from nnlint import registry
from nnlint.engine import Linter
from nnlint.finding import Finding, Span
from nnlint.fixes import apply, compatible
from nnlint.lines import split_lines

# So many seconds a thousand lines, and this much for a short file, on a machine that does other things too.
_SLOW = 10.0
_ROUNDS = 10


def seeds() -> list[str]:
    """The texts to start from: the examples of all pages, and the fixtures."""
    texts = [example.text for page in registry.pages() for example in page.examples]
    texts += [path.read_text(encoding="utf-8") for path in sorted(CHECKOUT.glob("fixtures/*/*.py"))]
    return [text for text in texts if is_program(text)]


def programs(texts: Sequence[str], seed: int, count: int) -> Iterator[str]:
    """Random programs; the same ones for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        yield mutant(rng, rng.choice(texts), rng.randint(1, 6))


def complaints(linter: Linter, text: str) -> list[str]:
    """What nnlint gets wrong about a program, whatever it finds in it: one line each."""
    started = time.process_time()
    report = linter.check_text(text, "program.py")
    seconds = time.process_time() - started
    lines = split_lines(text)
    found = [f"{entry.what}: {entry.why}" for entry in report.not_run]
    if seconds > _SLOW * max(len(lines) / 1000, 0.1):
        found.append(f"took {seconds:.1f} s for {len(lines)} lines")
    for finding in report.findings:
        spans = (finding.span, *(related.span for related in finding.related))
        found += [f"{finding.code}: {span} is not in the file" for span in spans if not _inside(span, lines)]
    return found + list(_unsound_fixes(linter, text, report.findings))


def _inside(span: Span, lines: Sequence[str]) -> bool:
    return all(
        1 <= place.row <= len(lines) and 1 <= place.column <= len(lines[place.row - 1]) + 1
        for place in (span.start, span.end)
    ) and (span.start.row, span.start.column) <= (span.end.row, span.end.column)


def _unsound_fixes(linter: Linter, text: str, findings: Sequence[Finding]) -> Iterator[str]:
    """A fix that leaves no Python, and fixes that never come to an end."""
    for _ in range(_ROUNDS):
        fixes = [finding.fix for finding in findings if finding.fix is not None]
        for finding in findings:
            if finding.fix is not None and not is_program(apply(text, [finding.fix])):
                yield f"{finding.code}: its fix leaves no program"
                return
        if not fixes:
            return
        text = apply(text, compatible(fixes))
        findings = linter.check_text(text, "program.py").findings
    codes = sorted({finding.code for finding in findings if finding.fix is not None})
    yield f"{', '.join(codes)}: still fixes to make after {_ROUNDS} rounds"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    linter, failures = every_rule(), 0
    folder = Path(tempfile.mkdtemp(prefix="nnlint-fuzz-"))
    for number, text in enumerate(programs(seeds(), options.seed, options.programs)):
        for complaint in complaints(linter, text):
            failures += 1
            path = folder / f"{number}.py"
            path.write_text(text, encoding="utf-8")
            print(f"{path}: {complaint}", flush=True)
    print(f"{options.programs} programs, {failures} complaints")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
