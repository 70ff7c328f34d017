"""The tiers on one script: it is run, the rules judge what was seen, and its source is linted."""

from __future__ import annotations

import linecache
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from nnlint.capture.plan import Continuation, Place, Request
from nnlint.capture.supervise import Capture, Progress, capture
from nnlint.engine import Linter, describe, one_line
from nnlint.finding import Finding, NotRun, Related, Report, Span, Tier
from nnlint.rule import Rule, Sighting

TIERS = ("S", "E")


def examine(
    linter: Linter, what: Request, progress: Callable[[Progress], None] | None = None
) -> tuple[Report, Capture]:
    """Run the script, and report what all tiers find in it and in the files that the run has led to."""
    started = time.perf_counter()
    rules = [rule for rule in linter.rules if "E" in rule.page.tiers]
    wanted: dict[str, Continuation] = {}
    for entry in (entry for rule in rules for entry in rule.continuations):
        wanted[entry.name] = wanted[entry.name].joined(entry) if entry.name in wanted else entry
    seen = capture(what, tuple(wanted.values()), progress)
    not_run = list(seen.not_run)
    by_file: defaultdict[str, list[Finding]] = defaultdict(list)
    if Path(what.target).is_file():
        by_file[what.target] = []
    if seen.first_step is not None:
        for finding in _judge(rules, seen, what.target, not_run):
            by_file[finding.filename].append(finding)
    findings: list[Finding] = []
    sources: dict[str, str] = {}
    for name, found in by_file.items():
        try:
            data = Path(name).read_bytes()
        except OSError:
            findings.extend(found)
            continue
        if name.endswith(".ipynb"):
            findings.extend(found)
            continue
        result = linter.check_bytes(data, name, found, TIERS)
        findings.extend(result.findings)
        not_run.extend(result.not_run)
        sources[name] = result.text
    names = {finding.name for finding in findings}
    silent = {rule.page.name for rule in rules if names.intersection(rule.explained_by)}
    findings = [
        finding for finding in findings if finding.tier is not Tier.EXPERIMENT or finding.name not in silent
    ]
    report = Report(
        findings=tuple(sorted(findings)),
        not_run=tuple(not_run),
        files=len(by_file),
        seconds=time.perf_counter() - started,
        sources=sources,
    )
    return report, seen


def _judge(rules: Sequence[Rule], seen: Capture, target: str, not_run: list[NotRun]) -> list[Finding]:
    """The findings of each rule; one that fails is reported and stops none of the others."""
    findings: dict[tuple[str, str, Span], Finding] = {}
    for rule in rules:
        try:
            sightings = list(rule.check_runs(seen))
        except Exception as error:
            not_run.append(NotRun(describe(rule), one_line(error), target))
            continue
        for sighting in sightings:
            finding = _finding(rule, sighting, target)
            findings.setdefault((finding.code, finding.filename, finding.span), finding)
    return list(findings.values())


def _finding(rule: Rule, sighting: Sighting, target: str) -> Finding:
    filename, span = _spot(sighting.place, target)
    return Finding(
        code=rule.page.code,
        name=rule.page.name,
        message=sighting.message,
        filename=filename,
        span=span,
        severity=sighting.severity or rule.page.severity,
        tier=Tier.EXPERIMENT,
        url=rule.page.url,
        related=tuple(Related(message, *_spot(place, target)) for place, message in sighting.related),
        evidence=sighting.evidence,
    )


def _spot(place: Place | None, target: str) -> tuple[str, Span]:
    """The file and the code on the line, without its indentation."""
    place = place or Place(target, 1)
    filename = place.filename
    # The script is named as the user has named it; other files as short as they can be.
    if Path(filename).is_absolute() and Path(filename).is_relative_to(Path.cwd()):
        filename = str(Path(filename).relative_to(Path.cwd()))
    # Empty where the file cannot be read: a cell of a notebook, a file that is gone.
    line = linecache.getline(filename, place.row)
    start = len(line) - len(line.lstrip())
    return filename, Span.of(place.row, start + 1, place.row, max(len(line.rstrip()), start) + 1)
