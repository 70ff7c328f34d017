"""`python tests/recall_runs.py`: bugs planted in sound scripts that are run, and how many each rule sees.

Only what a rule sees in a run counts, not what its source side says. `planting_runs/<rule_name>.py` plants
the bug of a rule; where there is none, `planting/` does, which knows the bug of each rule with a source side.
A mutant that does not reach a first training step tells nothing and is not counted. Names of rules restrict
it to these; `--missed` shows what was not seen. All rules take about 25 minutes of a processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from planted import Mutant
from recall import Operator, Result, difference, examples, fixtures, linter, operators, planted
from recall_kept import keep
from warm import Warm

from nnlint.capture import supervise
from nnlint.capture.plan import Request
from nnlint.capture.supervise import Capture, capture
from nnlint.chosen import records, used_by
from nnlint.experiments import capacity, reference
from nnlint.judge import further, graph_of, judge, needed
from nnlint.rule import Rule

MOST = 3
# A mutant that fails before its first step costs seconds: so many are tried for each that is wanted.
_TRIES = 4
# What is done in several processes.
_RANKS = 2
# Experiments that are done only if somebody asks for them, with what they are to compare.
_ASKED = {module.__name__.rpartition(".")[2] for module in (capacity, reference)}


def rules() -> list[Rule]:
    """Those that a run shows more to."""
    return [
        rule
        for rule in linter().rules
        if {"G", "E"}.intersection(rule.page.tiers) and not used_by(rule) & _ASKED
    ]


def operator_of(name: str) -> Operator | None:
    """What plants the bug of a rule in scripts that are run."""
    return operators("planting_runs").get(name) or operators().get(name)


def mutants(operator: Operator) -> Iterator[Mutant]:
    """One mutant a script; then, as some have several places, the others, and the examples of the pages."""
    first = set()
    for mutant in planted(operator, fixtures(), sys.maxsize, 1):
        first.add(mutant.text)
        yield mutant
    others = planted(operator, fixtures(), sys.maxsize, MOST)
    yield from (mutant for mutant in others if mutant.text not in first)
    yield from planted(operator, examples(), sys.maxsize, 1)


def measure(rule: Rule, operator: Operator, most: int, seconds: float) -> Result:
    """Run so many mutants, and see which of them the rule speaks of, and at which lines."""
    names = {rule.page.name, *getattr(operator, "INSTEAD", ())}
    judging = [one for one in rules() if one.page.name in names]
    ran, missed, misplaced = 0, [], []
    for tried, mutant in enumerate(mutants(operator)):
        if ran == most or tried == most * _TRIES:
            break
        found = rows(judging, mutant.text, seconds, _RANKS if "ranks" in used_by(rule) else 0)
        if found is None:
            continue
        ran += 1
        if not found:
            missed.append(mutant)
        elif not found & mutant.rows:
            misplaced.append(mutant)
    return Result(rule.page.name, ran, missed, misplaced)


def rows(judging: Sequence[Rule], text: str, seconds: float, ranks: int = 0) -> set[int] | None:
    """The lines that the rules name in a run of the script; None where there was no training step."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(text, encoding="utf-8")
        graphs = not ranks and records(judging, (), ())
        seen: Capture = capture(
            Request(str(path), seconds=seconds, ranks=ranks),
            needed(judging, graphs=graphs),
            more=partial(further, judging),
        )
        if seen.first_step is None:
            return None
        step = graph_of(seen, str(path))[0] if graphs else None
        said = judge(judging, seen, step, str(path))
    return {finding.span.start.row for finding in said.findings}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*")
    parser.add_argument("--missed", action="store_true", help="show what was not seen")
    parser.add_argument("--most", type=int, default=MOST, help="so many mutants of each rule (%(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="for each of them (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results")
    options = parser.parse_args()
    warm = Warm()
    if sys.platform == "linux":
        # Torch is imported once.
        supervise._launched = warm.launched
    try:
        return tell(options)
    finally:
        warm.close()


def tell(options: argparse.Namespace) -> int:
    """Print a line a rule; 1 if one bug in ten was missed."""
    total, seen, without = 0, 0, []
    for rule in rules():
        name = rule.page.name
        if options.rules and name not in options.rules:
            continue
        operator = operator_of(name)
        result = measure(rule, operator, options.most, options.seconds) if operator else None
        if not operator or not result or not result.mutants:
            without.append(name)
            continue
        found = result.mutants - len(result.missed)
        total, seen = total + result.mutants, seen + found
        placed = found - len(result.misplaced)
        print(f"{name:32} {result.mutants:3} ran {found:3} seen {placed:3} placed", flush=True)
        if options.keep:
            keep("runs", name, result.mutants, found, placed)
        if options.missed:
            for kind, some in (("missed", result.missed), ("misplaced", result.misplaced)):
                for mutant in some:
                    print(f"--- {kind} in {mutant.origin}\n{difference(mutant)}", flush=True)
    if without:
        print(f"nothing ran for {', '.join(without)}")
    print(f"{seen} of {total} seen")
    return int(seen < 0.9 * total or bool(without))


if __name__ == "__main__":
    sys.exit(main())
