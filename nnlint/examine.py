"""The tiers on one script: it is run, the rules judge what was seen, and its source is linted."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.capture.plan import Request
from nnlint.capture.supervise import Capture, Progress, capture
from nnlint.chosen import chosen
from nnlint.engine import Linter
from nnlint.finding import Finding, NotRun, Report, Tier
from nnlint.judge import further, judge, needed, shortest
from nnlint.notebook import Notebook, NotebookError, is_notebook

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep

TIERS = ("S", "G", "E")


def examine(
    linter: Linter,
    what: Request,
    progress: Callable[[Progress], None] | None = None,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> tuple[Report, Capture]:
    """Run the script, and report what all tiers find in it and in the files that the run has led to.

    `only` and `skip` name experiments; ChoiceError if there is none of that name.
    """
    started = time.perf_counter()
    rules = [rule for rule in linter.rules if {"E", "G"}.intersection(rule.page.tiers)]
    rules = chosen(rules, only, skip)
    graphs = any("G" in rule.page.tiers for rule in rules)
    if what.trace:
        rules = [rule for rule in rules if "G" in rule.page.tiers]
    wanted = () if what.trace else needed(rules, graphs=graphs)
    seen = capture(what, wanted, progress, partial(further, rules))
    not_run = list(seen.not_run)
    skipped: list[NotRun] = []
    by_file: defaultdict[str, list[Finding]] = defaultdict(list)
    if Path(what.target).is_file():
        by_file[what.target] = []
    if is_notebook(what.target):
        with contextlib.suppress(OSError, NotebookError):
            Notebook.read(Path(what.target).read_bytes()).script.remember(what.target)
    target = what.target
    step = _graph(seen, target, not_run) if graphs or what.trace else None
    if what.trace and step is not None:
        # What stands at no line stands where the model's forward is written, and that file is linted too.
        place = next((node.place for node in step.nodes if node.op == "input"), None)
        target = shortest(place.filename) if place else target
        by_file[target] = []
    for finding in judge(rules, seen, step, target, not_run, skipped):
        by_file[finding.filename].append(finding)
    findings: list[Finding] = []
    sources: dict[str, str] = {}
    for name, found in by_file.items():
        try:
            data = Path(name).read_bytes()
        except OSError:
            findings.extend(found)
            continue
        result = linter.check_bytes(data, name, found, TIERS)
        findings.extend(result.findings)
        not_run.extend(result.not_run)
        sources.update(result.sources)
    names = {finding.name for finding in findings}
    silent = {rule.page.name for rule in rules if names.intersection(rule.explained_by)}
    # A run knows less well than the source which line is to blame, and both mean one bug.
    shown = {finding.name for finding in findings if finding.tier is Tier.STATIC}
    findings = [
        finding
        for finding in findings
        if finding.tier not in (Tier.GRAPH, Tier.EXPERIMENT)
        or finding.name not in (silent | shown if finding.tier is Tier.EXPERIMENT else silent)
    ]
    report = Report(
        findings=tuple(sorted(findings)),
        not_run=tuple(not_run),
        skipped=tuple(skipped),
        files=len(by_file),
        seconds=time.perf_counter() - started,
        sources=sources,
    )
    return report, seen


def _graph(seen: Capture, target: str, not_run: list[NotRun]) -> GraphStep | None:
    """The recorded step; that one of its two recordings failed is not worth a word."""
    from nnlint.experiments.graph import FEW, WHOLE, step_of

    step = step_of(seen)
    if step is None:
        if seen.first_step is not None and WHOLE.name in seen.trajectories:
            why = f"nothing was recorded: {seen.trajectories[WHOLE.name].ended}"
            not_run.append(NotRun("graph of the first training step", why, target))
        return None
    parts = {f"continuation {entry.name}" for entry in (FEW, WHOLE)}
    not_run[:] = [entry for entry in not_run if entry.what not in parts]
    return step
