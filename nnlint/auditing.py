"""`nnlint.audit`: the run tiers on a model and a loss that the caller has, from Python."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnlint.capture.memory import allowance
from nnlint.capture.plan import Place, Plan, Request
from nnlint.capture.supervise import Child, attend
from nnlint.chosen import chosen, records, taken
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.experiments.loops import LATER
from nnlint.explained import Neighbourhood
from nnlint.finding import Finding, NotRun, Report
from nnlint.judge import each_once, further, graph_of, judge, needed
from nnlint.suppress import apply

if TYPE_CHECKING:
    import torch


def audit(
    model: torch.nn.Module,
    loss_fn: Callable[..., torch.Tensor] | None,
    data: Any,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    step: Callable[[torch.nn.Module, Any], torch.Tensor] | None = None,
    select: Sequence[str] = (),
    extend_select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    seconds: float = 60.0,
    fork: bool = True,
) -> Report:
    """Train a copy of the model for a while, watched, and report what is wrong with it.

    `data` is a loader, one batch, or a list of batches. A batch is `(inputs…, target)`, and its loss is
    `loss_fn(model(*inputs), target)`; for anything else give `step(model, batch) -> loss`. Without an
    `optimizer` it is Adam's default. `select`, `extend_select` and `ignore` choose rules as the command line
    does; `seconds` bounds all of it. Nothing of the caller's changes: the training happens in a process of
    its own (with `fork=False`, or where an accelerator is in use, on copies on the CPU).

    What could not be done is in the report's `not_run`. SelectorError for a rule that there is none of.
    """
    from nnlint.capture.inside import AuditError, Subject, cannot_fork, copied, forked, training
    from nnlint.capture.watch import user_place

    config = Config(select=tuple(select), extend_select=tuple(extend_select), ignore=tuple(ignore))
    place = user_place()
    subject = Subject(model, loss_fn, data, optimizer, step, place)
    try:
        begin = forked(training(subject)) if fork and not cannot_fork(model) else copied(subject)
    except AuditError as error:
        return Report(not_run=(NotRun("audit", str(error), _named(place)),))
    # There is one loop, and it has no end.
    return _report(begin, config, _named(place), seconds, without=LATER.name)


def audit_training(
    train: Callable[[], object],
    *,
    select: Sequence[str] = (),
    extend_select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    seconds: float = 60.0,
) -> Report:
    """Call a function that trains, watched, and report what is wrong with it: a script from Python.

    The loop may be anybody's: it is found, continued and judged as that of a script under `nnlint run`, in
    forks of this process. What it changes, in memory or in files, changes there alone. `select`,
    `extend_select` and `ignore` choose rules, `only` and `skip` experiments, as the command line does;
    `seconds` bounds all of it.

    What could not be done is in the report's `not_run`. SelectorError and ChoiceError for a rule, or an
    experiment, that there is none of.
    """
    from nnlint.capture.inside import calling, cannot_fork, forked
    from nnlint.capture.watch import user_place

    config = Config(select=tuple(select), extend_select=tuple(extend_select), ignore=tuple(ignore))
    place = user_place()
    if why := cannot_fork():
        return Report(not_run=(NotRun("audit", why, _named(place)),))
    return _report(forked(calling(train)), config, _named(place), seconds, only=only, skip=skip)


def _named(place: Place | None) -> str:
    return place.filename if place else "<audit>"


def _report(
    begin: Callable[[Plan, int, int], Child],
    config: Config,
    target: str,
    seconds: float,
    *,
    without: str = "",
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> Report:
    """What the rules say of what a process shows, which is not asked for the continuation `without`."""
    started = time.perf_counter()
    linter = Linter.load(config)
    rules = [rule for rule in linter.rules if {"E", "G"}.intersection(rule.page.tiers)]
    rules = chosen(rules, only, skip)
    graphs = records(rules, only, skip)
    wanted = taken(needed(rules, graphs=graphs), only, skip)
    wanted = tuple(entry for entry in wanted if entry.name != without)
    plan = Plan(
        Request(target, seconds=seconds),
        wanted,
        fork=True,
        workers=os.cpu_count() or 1,
        memory=allowance(),
    )
    seen = attend(plan, begin, partial(further, rules))
    graph, not_run = graph_of(seen, target) if graphs else (None, list(seen.not_run))
    said = judge(rules, seen, graph, target)
    texts = {finding.filename: _text(finding.filename) for finding in said.findings}
    near = Neighbourhood(seen, said.findings, texts).near
    found = _sift(linter, each_once(said.findings, rules, near), texts)
    return Report(
        findings=tuple(sorted(found)),
        not_run=(*not_run, *said.not_run),
        skipped=tuple(said.skipped),
        files=len({finding.filename for finding in found}),
        seconds=time.perf_counter() - started,
        sources={name: text for name in {finding.filename for finding in found} if (text := texts[name])},
    )


def _sift(linter: Linter, found: Sequence[Finding], texts: Mapping[str, str]) -> list[Finding]:
    """The findings that no comment in the caller's files silences."""
    by_file: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in found:
        if finding.code in linter.codes:
            by_file[finding.filename].append(finding)
    kept: list[Finding] = []
    for name, ours in by_file.items():
        text = texts[name]
        kept += apply(ours, text, name, linter.pages, ()) if text else ours
    return kept


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
