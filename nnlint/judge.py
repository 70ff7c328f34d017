"""What the rules say of a run: of its first step, of that step's graph, of how the loop went on."""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.capture.plan import Place
from nnlint.capture.supervise import Capture
from nnlint.engine import describe, one_line
from nnlint.finding import Finding, NotRun, Related, Span, Tier, split_name
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.graph.step import GraphStep


def judge(
    rules: Sequence[Rule],
    seen: Capture,
    step: GraphStep | None,
    target: str,
    not_run: list[NotRun],
    skipped: list[NotRun],
) -> list[Finding]:
    """The findings of each rule and tier; one that fails is reported and stops none of the others."""
    found: list[Finding] = []
    for rule in rules:
        looks: list[tuple[Tier, Callable[[], Iterable[Sighting | Skip]]]] = []
        if "E" in rule.page.tiers and seen.first_step is not None:
            looks.append((Tier.EXPERIMENT, lambda rule=rule: rule.check_runs(seen)))  # type: ignore[misc]
        if "G" in rule.page.tiers and step is not None:
            looks.append((Tier.GRAPH, lambda rule=rule: rule.check_graph(step)))  # type: ignore[misc]
        for tier, look in looks:
            try:
                sightings = list(look())
            except Exception as error:
                not_run.append(NotRun(describe(rule), one_line(error), target))
                continue
            for sighting in sightings:
                if isinstance(sighting, Skip):
                    skipped.append(NotRun(describe(rule), sighting.why, target))
                else:
                    found.append(_finding(rule, sighting, tier, target))
    # What two tiers see in one place is said once.
    once: dict[tuple[str, str, Span], Finding] = {}
    for finding in found:
        once.setdefault((finding.code, finding.shown_name, finding.span), finding)
    return list(once.values())


def needed(rules: Iterable[Rule], *, graphs: bool) -> tuple[Continuation, ...]:
    """What the rules want run, each once and with all its meters; with `graphs`, the recordings first."""
    from nnlint.experiments.graph import FEW, WHOLE

    wanted: dict[str, Continuation] = {}
    for entry in (
        *((FEW, WHOLE) if graphs else ()),
        *(entry for rule in rules for entry in rule.continuations),
    ):
        wanted[entry.name] = wanted[entry.name].joined(entry) if entry.name in wanted else entry
    return tuple(wanted.values())


def further(rules: Iterable[Rule], seen: Capture) -> list[Continuation]:
    """What else they want run in its light; a rule that fails here will say so when it judges."""
    found: list[Continuation] = []
    for rule in rules:
        with contextlib.suppress(Exception):
            found += rule.more(seen)
    return found


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
