"""What the rules say about the source of one file: problems of nodes in, findings at places out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from nnlint import fixes
from nnlint.collecting import uncollected
from nnlint.failures import describe, one_line
from nnlint.finding import Finding, NotRun, Related, Span, Tier
from nnlint.lines import split_lines
from nnlint.page import Page
from nnlint.rule import Problem, Rule
from nnlint.static.source import Source, SourceError

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.positions import Place

    # Problems, the places of their nodes, and what went wrong.
    _Told: TypeAlias = tuple[list[tuple[Rule, Problem]], Mapping[cst.CSTNode, Place], list[NotRun]]


@uncollected()
def run(rules: Sequence[Rule], source: Source) -> tuple[list[Finding], list[NotRun]]:
    """The findings of each rule; one that fails is reported and stops none of the others."""
    seen = glimpse(rules, source)
    if seen is None and not rules:
        # Parsed all the same: a broken file that no rule has words for must not pass as clean.
        source.parse()
        return [], []
    told, unsure = seen or (([], {}, []), rules)
    problems, places, not_run = _both(told, _read(unsure, source), rules) if unsure else told
    spans = {
        node: Span.of(start[0], start[1] + 1, end[0], end[1] + 1) for node, (start, end) in places.items()
    }
    lines = split_lines(source.text, keepends=True)
    # A function that is called twice is read twice: one place is reported once by one rule.
    findings: dict[tuple[str, Span], Finding] = {}
    for rule, problem in problems:
        if all(node in spans for node in _nodes(problem)):
            finding = _finding(rule.page, problem, spans, source.filename, lines)
            findings.setdefault((finding.code, finding.span), finding)
        else:
            why = "reported a node that is not in the file's tree"
            not_run.append(NotRun(describe(rule), why, source.filename))
    return list(findings.values()), not_run


def glimpse(rules: Sequence[Rule], source: Source) -> tuple[_Told, list[Rule]] | None:
    """What the rules say of a sketch of the file: all that there is to say, at a fraction of a parse.

    And the rules of which that is not certain: one fails, or asks for white space, or for what the sketch
    cannot tell. None if there is no sketch of the file.
    """
    from nnlint.static.model import ScriptModel
    from nnlint.static.sketch import sketch

    problems: list[tuple[Rule, Problem]] = []
    places: dict[cst.CSTNode, Place] = {}
    unsure: list[Rule] = []
    # Failures of whatever kind: libcst's tree meets them again, if they are any.
    try:
        drawn = sketch(source.text)
        if not rules:
            return (problems, places, []), unsure
        script = ScriptModel(source, drawn)
    except Exception:
        return None
    for rule in rules:
        try:
            own = [(rule, problem) for problem in rule.check_source(script)]
            places |= script.positions(_all_nodes(own))
            problems += own
        except Exception:  # noqa: PERF203 - the next rule may be sure
            unsure.append(rule)
    return (problems, places, []), unsure


def _both(told: _Told, read: _Told, rules: Sequence[Rule]) -> _Told:
    """Together, in the order of the rules."""
    order = {id(rule): at for at, rule in enumerate(rules)}
    problems = sorted([*told[0], *read[0]], key=lambda entry: order[id(entry[0])])
    return problems, {**told[1], **read[1]}, [*told[2], *read[2]]


def _read(rules: Sequence[Rule], source: Source) -> _Told:
    """What the rules say of libcst's tree."""
    from nnlint.static.model import ScriptModel

    not_run: list[NotRun] = []
    problems: list[tuple[Rule, Problem]] = []
    try:
        script = ScriptModel(source)
    except SourceError:
        raise
    # A bug of ours, or nesting beyond Python's stack: this file is not checked, the others are.
    except Exception as error:
        return [], {}, [NotRun("static tier", one_line(error), source.filename)]
    for rule in rules:
        try:
            problems.extend([(rule, problem) for problem in rule.check_source(script)])
        except Exception as error:  # noqa: PERF203 - one rule's failure must not stop the next
            not_run.append(NotRun(describe(rule), one_line(error), source.filename))
    try:
        # Problems speak of nodes, findings of places: all places of a file are computed in one go.
        return problems, script.positions(_all_nodes(problems)) if problems else {}, not_run
    except Exception as error:
        return [], {}, [*not_run, NotRun("static tier", one_line(error), source.filename)]


def _finding(
    page: Page, problem: Problem, spans: Mapping[cst.CSTNode, Span], filename: str, lines: Sequence[str]
) -> Finding:
    return Finding(
        code=page.code,
        name=page.name,
        message=problem.message,
        filename=filename,
        span=spans[problem.node],
        severity=problem.severity or page.severity,
        tier=Tier.STATIC,
        url=page.url,
        fix=fixes.fix_of(problem.fix, page.fix, spans, lines) if problem.fix else None,
        related=tuple(Related(message, filename, spans[node]) for node, message in problem.related),
        evidence=problem.evidence,
    )


def _all_nodes(problems: Iterable[tuple[Rule, Problem]]) -> list[cst.CSTNode]:
    return [node for _, problem in problems for node in _nodes(problem)]


def _nodes(problem: Problem) -> Iterator[cst.CSTNode]:
    yield problem.node
    for node, _ in problem.related:
        yield node
    if problem.fix:
        yield from fixes.nodes_of(problem.fix)
