"""`--watch`: lints again what has changed, until it is interrupted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nnlint.engine import Linter
from nnlint.finding import Report

# Between two looks at the files where watchfiles is not installed, in seconds.
PAUSE = 0.5

_Stamps = dict[str, tuple[int, int]]


def reports(linter: Linter, paths: Sequence[str]) -> Generator[Report, None, None]:
    """The report on the paths, now and after each change. Only what has changed is linted again."""
    known: dict[str, Report] = {}
    stamps: _Stamps = {}
    for _ in _occasions(paths):
        started = time.perf_counter()
        found = linter.discover(paths)
        now = _stamps(found.files)
        changed = [name for name, stamp in now.items() if stamps.get(name) != stamp]
        if changed or now.keys() != stamps.keys() or not stamps:
            known = {name: report for name, report in known.items() if name in now}
            known.update((name, linter.check([name])) for name in changed)
            stamps = now
            yield replace(_together(known), seconds=time.perf_counter() - started)


def _occasions(paths: Sequence[str]) -> Iterator[None]:
    """Whenever it is worth a look; the first time at once."""
    yield
    try:
        import watchfiles
    except ImportError:
        while True:
            time.sleep(PAUSE)
            yield
    # A file that is replaced by another, as editors do it, is only seen from its folder.
    folders = {path if path.is_dir() else path.parent for path in map(Path, paths)}
    watch = watchfiles.watch(*folders, debounce=200, rust_timeout=500, yield_on_timeout=True)
    for number, changes in enumerate(watch):
        # Once without a change: what came about between the first look and the first watch.
        if changes or number == 0:
            yield


def _stamps(files: Sequence[str]) -> _Stamps:
    stamps = {}
    for file in files:
        with contextlib.suppress(OSError):
            status = Path(file).stat()
            stamps[file] = (status.st_mtime_ns, status.st_size)
    return stamps


def _together(known: dict[str, Report]) -> Report:
    sources: dict[str, str] = {}
    for report in known.values():
        sources.update(report.sources)
    return Report(
        findings=tuple(sorted(finding for report in known.values() for finding in report.findings)),
        not_run=tuple(entry for report in known.values() for entry in report.not_run),
        files=sum(report.files for report in known.values()),
        sources=sources,
    )
