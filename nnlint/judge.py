"""What the rules say of a run: of its first step, of that step's graph, of how the loop went on."""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.capture.plan import Place
from nnlint.capture.supervise import Capture
from nnlint.explained import Near, unexplained
from nnlint.failures import describe, one_line
from nnlint.finding import Finding, NotRun, Related, Result, Span, Tier, split_name
from nnlint.rule import Outcome, Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.graph.step import GraphStep


@dataclass(slots=True)
class Judgement:
    """What the rules say of a run, and what they could not say."""

    findings: list[Finding] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)
    skipped: list[NotRun] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


def judge(rules: Sequence[Rule], seen: Capture, step: GraphStep | None, target: str) -> Judgement:
    """What each rule finds in each tier; one that fails is reported and stops none of the others."""
    said = Judgement()
    found: list[Finding] = []
    for rule in rules:
        looks: list[tuple[Tier, Callable[[], Iterable[Sighting | Skip | Outcome]]]] = []
        if "E" in rule.page.tiers and seen.first_step is not None:
            looks.append((Tier.EXPERIMENT, lambda rule=rule: _of_run(rule, seen)))  # type: ignore[misc]
        if "G" in rule.page.tiers and step is not None:
            looks.append((Tier.GRAPH, lambda rule=rule: rule.check_graph(step)))  # type: ignore[misc]
        for tier, look in looks:
            try:
                sightings = list(look())
            except Exception as error:
                said.not_run.append(NotRun(describe(rule), one_line(error), target))
                continue
            for sighting in sightings:
                if isinstance(sighting, Skip):
                    said.skipped.append(NotRun(describe(rule), sighting.why, target))
                elif isinstance(sighting, Outcome):
                    said.results.append(Result(describe(rule), sighting.text, target, sighting.evidence))
                else:
                    found.append(_finding(rule, sighting, tier, target))
    if step is not None and any("G" in rule.page.tiers for rule in rules):
        said.skipped += [
            NotRun("graph of the first training step", reason, target) for reason in step.not_followed()
        ]
    # What two tiers see in one place is said once.
    once: dict[tuple[str, str, Span], Finding] = {}
    for finding in found:
        once.setdefault((finding.code, finding.shown_name, finding.span), finding)
    said.findings = list(once.values())
    return said


def _of_run(rule: Rule, seen: Capture) -> Iterable[Sighting | Skip | Outcome]:
    rule.more(seen)  # whose failure `further` passes over: it is said once, here
    return rule.check_runs(seen)


def graph_of(seen: Capture, target: str) -> tuple[GraphStep | None, list[NotRun]]:
    """The recorded step, and what else of the run is worth saying that did not happen.

    That one of the two recordings failed is not, where the other one stands.
    """
    from nnlint.experiments.graph import FEW, WHOLE, step_of

    step = step_of(seen)
    if step is None and seen.first_step is not None and WHOLE.name in seen.trajectories:
        why = f"nothing was recorded: {seen.trajectories[WHOLE.name].ended}"
        return None, [*seen.not_run, NotRun("graph of the first training step", why, target)]
    if step is None:
        return None, list(seen.not_run)
    parts = {f"continuation {entry.name}" for entry in (FEW, WHOLE)}
    return step, [entry for entry in seen.not_run if entry.what not in parts]


def each_once(findings: Sequence[Finding], rules: Sequence[Rule], near: Near) -> list[Finding]:
    """The findings of all tiers without those that another one near them explains, or tells already."""
    kept = unexplained(findings, rules, near)
    built = {rule.page.name for rule in rules if rule.names_what_is_built}
    read = [finding for finding in findings if finding.tier is Tier.STATIC]

    def told(finding: Finding) -> bool:
        """Whether another finding says it already, and better."""
        if finding.tier is Tier.STATIC:
            return any(_happened(finding, other) for other in findings)
        if finding.tier is Tier.GRAPH:
            return any(_one_bug(finding, other, built) for other in read)
        # A run knows less well than the source which line is to blame, and both mean one bug; but what might
        # happen, as the source shows, is less than what did.
        return finding.tier is Tier.EXPERIMENT and any(
            finding.name == other.name
            and near(finding, other)
            and other.severity.rank <= finding.severity.rank
            for other in read
        )

    return [
        kept.get(at, finding)
        for at, finding in enumerate(findings)
        if (finding.tier is Tier.STATIC or at in kept) and not told(finding)
    ]


def _happened(read: Finding, other: Finding) -> bool:
    """Whether a run has shown what the source only lets one fear."""
    return (
        other.tier is Tier.EXPERIMENT
        and read.code == other.code
        and read.severity.rank > other.severity.rank
        and (read.shown_name, read.span.start.row) == (other.shown_name, other.span.start.row)
    )


def _one_bug(found: Finding, other: Finding, built: Collection[str]) -> bool:
    """Whether the recorded step and the source speak of one bug: by the same rule, and of a line that both
    name, or one that the step cannot know."""
    if found.code != other.code:
        return False
    where_built = found.name in built and found.filename == other.filename
    return where_built or not _lines(found).isdisjoint(_lines(other))


def _lines(finding: Finding) -> set[tuple[str, int | None, int]]:
    places: tuple[Finding | Related, ...] = (finding, *finding.related)
    return {(place.filename, place.cell, place.span.start.row) for place in places}


def needed(
    rules: Iterable[Rule],
    *,
    graphs: bool,
    also: Iterable[Continuation] = (),
    sense: Callable[[Continuation], bool] | None = None,
) -> tuple[Continuation, ...]:
    """What the rules want run, each once and with all its meters; with `graphs`, the recordings first.

    `sense` says of a continuation whether it makes any here.
    """
    from nnlint.experiments.graph import FEW, WHOLE

    wanted = (
        *((FEW, WHOLE) if graphs else ()),
        *(entry for rule in rules for entry in rule.continuations),
        *also,
    )
    # The longest first: what is short fills the other cores beside it.
    return tuple(sorted(_sensible(wanted, sense), key=lambda entry: -entry.seconds))


def _sensible(
    wanted: Iterable[Continuation], sense: Callable[[Continuation], bool] | None
) -> list[Continuation]:
    """Those that make sense, each once and with all its meters."""
    found: dict[str, Continuation] = {}
    for entry in wanted:
        if sense is None or sense(entry):
            found[entry.name] = found[entry.name].joined(entry) if entry.name in found else entry
    return list(found.values())


def further(
    rules: Iterable[Rule], seen: Capture, *, sense: Callable[[Continuation], bool] | None = None
) -> list[Continuation]:
    """What else they want run in its light; a rule that fails here will say so when it judges.

    Nothing more is run for a rule that another one, which speaks already, will explain.
    """
    rules = list(rules)
    found: list[Continuation] = []
    for rule in rules:
        with contextlib.suppress(Exception):
            wanted = rule.more(seen)
            causes = [other for other in rules if other.page.name in rule.explained_by] if wanted else []
            if not any(_speaks(other, seen) for other in causes):
                found += wanted
    return _sensible(found, sense)


def _speaks(rule: Rule, seen: Capture) -> bool:
    """Whether a rule finds something in a run as far as it has come."""
    if "E" not in rule.page.tiers or seen.first_step is None:
        return False
    with contextlib.suppress(Exception):
        return any(isinstance(found, Sighting) for found in rule.check_runs(seen))
    return False


def _finding(rule: Rule, sighting: Sighting, tier: Tier, target: str) -> Finding:
    filename, span, cell = _spot(sighting.place, target)
    return Finding(
        code=rule.page.code,
        name=rule.page.name,
        message=sighting.message,
        filename=filename,
        span=span,
        severity=sighting.severity or rule.page.severity,
        tier=tier,
        url=rule.page.url,
        related=tuple(Related(message, *_spot(place, target)) for place, message in sighting.related),
        evidence=sighting.evidence,
        explains=sighting.explains,
        cell=cell,
    )


def shortest(filename: str) -> str:
    """Relative to the current folder if it lies in there."""
    if Path(filename).is_absolute() and Path(filename).is_relative_to(Path.cwd()):
        return str(Path(filename).relative_to(Path.cwd()))
    return filename


def _spot(place: Place | None, target: str) -> tuple[str, Span, int | None]:
    """The file, the code on the line without its indentation, and the cell of a notebook."""
    place = place or Place(target, 1)
    filename, cell = split_name(place.filename)
    # The script is named as the user has named it; other files as short as they can be.
    filename = filename if filename == target else shortest(filename)
    # Empty where the file cannot be read any more.
    line = linecache.getline(place.filename, place.row)
    start = len(line) - len(line.lstrip())
    return filename, Span.of(place.row, start + 1, place.row, max(len(line.rstrip()), start) + 1), cell
