"""Findings that tell only what follows from others, and which of two can do so.

One bug shows in many ways: a flipped sign makes gradients explode and units die. A rule names those that
explain what it sees (`explained_by`), and a finding those that it explains. Two bugs must not hide one
another, though: an explanation counts only where it concerns the same function or class, or a training loop
that both are part of.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nnlint.capture.constants import statements
from nnlint.finding import Finding, Related, Tier, split_name
from nnlint.rule import Rule

if TYPE_CHECKING:
    from nnlint.capture.plan import FirstStep, Place
    from nnlint.capture.supervise import Capture

Near: TypeAlias = Callable[[Finding, Finding], bool]


def unexplained(findings: Sequence[Finding], rules: Iterable[Rule], near: Near) -> dict[int, Finding]:
    """The findings without those that another one, near them, explains, by their place in `findings`.

    Of several that explain each other in a circle the first one stays. One that stays for others is as grave
    as they are: what a run has shown to go wrong is no guess any more.
    """
    by_name = {rule.page.name: frozenset(rule.explained_by) for rule in rules}

    def explains(cause: Finding, finding: Finding) -> bool:
        if cause is finding or not near(cause, finding):
            return False
        if finding.name in cause.explains:
            return True
        # What is known to follow from a finding does not explain it.
        return cause.name in by_name.get(finding.name, ()) and cause.name not in finding.explains

    causes = [[at for at, cause in enumerate(findings) if explains(cause, finding)] for finding in findings]
    roots = [at for at, found in enumerate(causes) if not found]
    silent = _following(roots, causes)
    for at in range(len(findings)):
        if at not in silent and at not in roots:
            roots.append(at)
            silent |= _following([at], causes) - {at}
    return {
        at: _for(findings[at], [findings[other] for other in _following([at], causes)])
        for at in sorted(roots)
    }


def _for(finding: Finding, explained: Iterable[Finding]) -> Finding:
    """The finding, which speaks for those that it explains; those of the source are told beside it."""
    silent = [other.severity for other in explained if other.tier is not Tier.STATIC]
    return replace(finding, severity=min([finding.severity, *silent], key=lambda severity: severity.rank))


def _following(roots: Iterable[int], causes: Sequence[Sequence[int]]) -> set[int]:
    """What the roots explain, directly or by way of others."""
    known = set(roots)
    found: set[int] = set()
    while more := {at for at, some in enumerate(causes) if at not in found and not known.isdisjoint(some)}:
        found |= more
        known |= more
    return found


@dataclass(frozen=True, slots=True)
class Region:
    """A function or class of a file, a loop of the module itself, or with no name the rest of the module."""

    filename: str
    name: str


class Neighbourhood:
    """Knows of a run which parts of the source belong to which training loop."""

    def __init__(self, seen: Capture, findings: Sequence[Finding], sources: Mapping[str, str]) -> None:
        """`sources` are the texts of files (of notebooks: cells), by `shown_name`."""
        self._files = {_absolute(name): _File(_absolute(name), text) for name, text in sources.items()}
        steps = seen.first_steps
        self._loops = frozenset(range(max(1, len(steps))))
        self._owners: dict[Region, set[int]] = {}
        for number, step in enumerate(steps):
            for region in self._owned(step):
                self._owners.setdefault(region, set()).add(number)
        ran = [place for finding in findings if finding.tier is not Tier.STATIC for place in _places(finding)]
        self._reached = self._reach({*self._owners, *(self._region_of(place) for place in ran)})

    def near(self, one: Finding, two: Finding) -> bool:
        """Whether two findings are about one function, class or training loop."""
        first, second = self._region_of(one), self._region_of(two)
        return first == second or not self._belongs(first).isdisjoint(self._belongs(second))

    def _belongs(self, region: Region) -> AbstractSet[int]:
        """The loops that it is part of: those that were seen in it, or all, if the script gets there."""
        if region in self._owners:
            return self._owners[region]
        return self._loops if region in self._reached else frozenset()

    def _owned(self, step: FirstStep) -> Iterator[Region]:
        """Where the step was seen to happen."""
        for place in (
            step.place,
            *(loss.place for loss in step.losses),
            *(criterion.place for criterion in step.criteria),
            *(root.place for root in step.roots),
        ):
            if place is not None and (region := self._region_at(place)).name:
                yield region
        names = {root.class_name for root in step.roots}
        yield from (
            region for file in self._files.values() for region in file.regions if region.name in names
        )

    def _region_at(self, place: Place) -> Region:
        return self._region(_absolute(place.filename), place.row)

    def _region_of(self, finding: Finding | Related) -> Region:
        return self._region(_absolute(finding.shown_name), finding.span.start.row)

    def _region(self, filename: str, row: int) -> Region:
        file = self._files.get(filename)
        return Region(filename, file.region(row) if file is not None else "")

    def _reach(self, start: set[Region]) -> set[Region]:
        """What is reached from the modules themselves and from `start`, as far as names tell."""
        # A module's own statements run when it is imported, and so do decorators.
        reached = start | {
            region
            for file in self._files.values()
            for region in file.regions
            if not region.name or file.runs_at_once(region)
        }
        waiting = list(reached)
        by_name: dict[str, list[Region]] = {}
        for file in self._files.values():
            for region in file.regions:
                by_name.setdefault(region.name, []).append(region)
        while waiting:
            region = waiting.pop()
            of = self._files.get(region.filename)
            for name in of.mentions(region) if of is not None else ():
                new = [other for other in by_name.get(name, ()) if other not in reached]
                reached.update(new)
                waiting += new
        return reached


class _File:
    """The outermost functions, classes and loops of a file, and which names each mentions."""

    def __init__(self, filename: str, text: str) -> None:
        self.filename = filename
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError):
            body = []
        self._parts: list[tuple[Region, ast.stmt]] = []
        self._rest: list[ast.stmt] = []
        for statement in statements(body):
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._parts.append((Region(filename, statement.name), statement))
            elif isinstance(statement, (ast.For, ast.While)):
                self._parts.append((Region(filename, f"line {statement.lineno}"), statement))
            elif isinstance(statement, (ast.If, ast.With, ast.Try)):
                self._rest.append(_own(statement))
            else:
                self._rest.append(statement)
        self.regions = [*(region for region, _ in self._parts), Region(filename, "")]

    def region(self, row: int) -> str:
        """The name of what stands on a line."""
        return next(
            (region.name for region, part in self._parts if _first(part) <= row <= (part.end_lineno or row)),
            "",
        )

    def runs_at_once(self, region: Region) -> bool:
        """Whether it runs with the module: a loop, or what a decorator is given."""
        return any(
            isinstance(part, (ast.For, ast.While)) or bool(getattr(part, "decorator_list", ()))
            for other, part in self._parts
            if other == region
        )

    def mentions(self, region: Region) -> set[str]:
        """Names, attributes and strings (a registry is asked by them) in it."""
        parts = [part for other, part in self._parts if other == region] if region.name else self._rest
        found: set[str] = set()
        for part in parts:
            for node in ast.walk(part):
                if isinstance(node, ast.Name):
                    found.add(node.id)
                elif isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
        return found


def _own(statement: ast.If | ast.With | ast.Try) -> ast.stmt:
    """What the statement itself computes, without what stands in it."""
    items = [item.context_expr for item in getattr(statement, "items", ())]
    return ast.Expr(ast.Tuple([*items, getattr(statement, "test", ast.Constant(None))], ast.Load()))


def _first(part: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(part, "decorator_list", [])
    return min([part.lineno, *(node.lineno for node in decorators)])


def _places(finding: Finding) -> tuple[Finding | Related, ...]:
    return (finding, *finding.related)


def _absolute(shown: str) -> str:
    name, cell = split_name(shown)
    path = str(Path(name).resolve()) if not name.startswith("<") else name
    return path if cell is None else f"{path}:cell {cell}"
