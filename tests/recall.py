"""`python tests/recall.py`: bugs planted in sound scripts, and how many of them each rule finds.

`planting/<rule_name>.py` beside this file plants the bug of one rule as somebody might write it. Names of
rules restrict it to these; `--missed` shows what was not found.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from planted import Mutant, Script
from recall_kept import keep
from support import CHECKOUT, every_rule

from nnlint.engine import Linter
from nnlint.page import load_pages

# So many mutants of one script, and of one rule: more of the same kind say little.
_EACH = 4
_ALL = 40
# With fewer than this in the fixtures, the good examples of the pages are scripts to plant in as well.
_FEW = 3


class Operator(Protocol):
    """What a module of `planting` has."""

    def plant(self, script: Script) -> Iterator[Mutant]:
        """The script with the bug, once for each place where it can be planted."""

    # It may also have `INSTEAD`: names of rules that may say it in this rule's place; and `BLIND`: that the
    # rule is known to find none of them yet.


@dataclass(frozen=True)
class Result:
    """What became of the mutants of one rule."""

    name: str
    mutants: int
    missed: Sequence[Mutant]
    misplaced: Sequence[Mutant]

    @property
    def recall(self) -> float:
        return 1 - len(self.missed) / self.mutants if self.mutants else 0.0


def operators(folder: str = "planting") -> dict[str, Operator]:
    """The operators by the name of their rule."""
    return {
        name.replace("_", "-"): cast(Operator, importlib.import_module(f"{folder}.{name}"))
        for _, name, _ in pkgutil.iter_modules([str(Path(__file__).parent / folder)])
    }


@cache
def fixtures() -> tuple[Script, ...]:
    """The sound scripts."""
    paths = sorted((CHECKOUT / "fixtures" / "clean").glob("*.py"))
    return tuple(Script(path.read_text(encoding="utf-8"), path.name) for path in paths)


@cache
def examples() -> tuple[Script, ...]:
    """The sound examples of the pages."""
    return tuple(
        Script(example.text, f"{page.name}.md:{example.line}")
        for page in load_pages()
        for example in page.examples
        if example.kind == "good"
    )


@cache
def linter() -> Linter:
    """The linter with every rule."""
    return every_rule()


def mutants(operator: Operator, most: int = _ALL, each: int = _EACH) -> list[Mutant]:
    """The scripts with the bug: so many in all, and of each script."""
    found = list(planted(operator, fixtures(), most, each))
    if len(found) < min(_FEW, most):
        found += planted(operator, examples(), most - len(found), each)
    return found


def planted(operator: Operator, scripts: Sequence[Script], most: int, each: int) -> Iterator[Mutant]:
    """The scripts with the bug, so many of each script, in their order."""
    for script in scripts:
        for number, mutant in enumerate(operator.plant(script)):
            if number == each:
                break
            if mutant.text == script.text:
                continue
            compile(mutant.text, mutant.origin, "exec")
            if Script(mutant.text).unbound() - script.unbound():
                continue  # Python says so itself
            yield mutant
            most -= 1
            if not most:
                return


def measure(name: str, operator: Operator, most: int = _ALL, each: int = _EACH) -> Result:
    """Which of the mutants the rule finds, and where."""
    names = {name, *getattr(operator, "INSTEAD", ())}
    own = replace(linter(), rules=[rule for rule in linter().rules if rule.page.name in names])
    missed, misplaced = [], []
    made = mutants(operator, most, each)
    for mutant in made:
        report = own.check_text(mutant.text, "script.py")
        assert not report.not_run, report.not_run
        rows = {finding.span.start.row for finding in report.findings if finding.name in names}
        if not rows:
            missed.append(mutant)
        elif not rows & mutant.rows:
            misplaced.append(mutant)
    return Result(name, len(made), missed, misplaced)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*")
    parser.add_argument("--missed", action="store_true", help="show what was not found")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results")
    options = parser.parse_args()
    low = 0
    known = operators()
    for name, operator in known.items():
        if options.rules and name not in options.rules:
            continue
        result = measure(name, operator)
        low += result.recall < 0.9 or result.mutants < _FEW
        placed = result.mutants - len(result.missed) - len(result.misplaced)
        found = result.mutants - len(result.missed)
        print(
            f"{name:32} {result.mutants:4} mutants {found:4} found {placed:4} placed  {result.recall:.0%}",
            flush=True,
        )
        if options.keep and result.mutants:
            keep("source", name, result.mutants, found, placed)
        if options.missed:
            for kind, some in (("missed", result.missed), ("misplaced", result.misplaced)):
                for mutant in some:
                    print(f"--- {kind} in {mutant.origin}\n{difference(mutant)}")
    print(f"{low} of {len(known)} rules below 90 % or with fewer than {_FEW} mutants")
    return int(low > 0)


def difference(mutant: Mutant) -> str:
    """What was changed in the script, for people."""
    before = next(one.text for one in (*fixtures(), *examples()) if one.origin == mutant.origin)
    lines = difflib.unified_diff(before.splitlines(), mutant.text.splitlines(), lineterm="", n=1)
    return "\n".join(list(lines)[2:])


if __name__ == "__main__":
    sys.exit(main())
