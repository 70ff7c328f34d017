"""The tiers on one script: it is run, the rules judge what was seen, and its source is linted."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from nnlint.capture.plan import SEED, Continuation, Request
from nnlint.capture.supervise import Capture, Progress, capture
from nnlint.chosen import chosen, records, taken, used_by
from nnlint.comparing import Against, compare
from nnlint.engine import Linter
from nnlint.executors.executor import Executor
from nnlint.executors.spread import spread
from nnlint.explained import Neighbourhood
from nnlint.finding import Finding, NotRun, Report
from nnlint.judge import each_once, further, graph_of, judge, needed, shortest
from nnlint.notebook import Notebook, NotebookError, is_notebook
from nnlint.searching import Capacities, search
from nnlint.several import sensible, together

TIERS = ("S", "G", "E")


def examine(
    linter: Linter,
    what: Request,
    progress: Callable[[Progress], None] | None = None,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    capacity: Capacities | None = None,
    other: Against | None = None,
    also: Sequence[Continuation] = (),
    executor: Executor | None = None,
) -> tuple[Report, Capture]:
    """Run the script, and report what all tiers find in it and in the files that the run has led to.

    `only` and `skip` name experiments; ChoiceError if there is none of that name. `also` is run beside what
    the rules want, for those who look at the capture. With a `capacity` the script is run with each of its
    values instead, and with an `other` script beside that one; no other experiment is done then.
    An `executor` runs experiments and capacities elsewhere; without one they are forked here.
    CapacityError if the script has none such.
    """
    started = time.perf_counter()
    rules = [rule for rule in linter.rules if {"E", "G"}.intersection(rule.page.tiers)]
    rules = chosen(rules, only, skip)
    asked = "capacity" if capacity is not None else "reference" if other is not None else ""
    rules = [rule for rule in rules if not asked or asked in used_by(rule)]
    graphs = records(rules, only, skip)
    if what.trace:
        rules = [rule for rule in rules if "G" in rule.page.tiers]
    skipped: list[NotRun] = []
    if what.ranks:
        graphs = False
        rules, skipped = together(rules, what.target)
    if capacity is not None:
        seen = search(what, capacity, progress, executor)
    elif other is not None:
        seen = compare(what, other, progress)
    else:
        sense = sensible if what.ranks else None
        wanted = () if what.trace else needed(rules, graphs=graphs, also=also, sense=sense)
        wanted, more = taken(wanted, only, skip), partial(further, rules, sense=sense)
        if executor is not None:
            seen = spread(executor, what, wanted, progress, more)
        else:
            seen = capture(what, wanted, progress, more)
    by_file: defaultdict[str, list[Finding]] = defaultdict(list)
    if Path(what.target).is_file():
        by_file[what.target] = []
    elif what.module and (file := _file_of(what.target)):
        by_file[file] = []
    if is_notebook(what.target):
        with contextlib.suppress(OSError, NotebookError):
            Notebook.read(Path(what.target).read_bytes()).script.remember(what.target)
    target = what.target
    step, not_run = graph_of(seen, target) if graphs or what.trace else (None, list(seen.not_run))
    if what.trace and step is not None:
        # What stands at no line stands where the model's forward is written, and that file is linted too.
        place = next((node.place for node in step.nodes if node.op == "input"), None)
        target = shortest(place.filename) if place else target
        by_file[target] = []
    said = judge(rules, seen, step, target)
    not_run += said.not_run
    for finding in said.findings:
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
    if other is not None:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            sources.setdefault(other.target, Path(other.target).read_text(encoding="utf-8"))
    near = Neighbourhood(seen, findings, sources).near
    report = Report(
        findings=tuple(sorted(each_once(findings, rules, near))),
        not_run=tuple(not_run),
        skipped=(*said.skipped, *skipped),
        results=tuple(said.results),
        files=len(by_file),
        seconds=time.perf_counter() - started,
        sources=sources,
        seed=SEED,
    )
    return report, seen


def _file_of(module: str) -> str:
    """Where `python -m` finds it below the working directory; asking Python would import its packages."""
    base = Path(*module.split("."))
    found = (file for file in (base.with_name(f"{base.name}.py"), base / "__main__.py") if file.is_file())
    return str(next(found, ""))
