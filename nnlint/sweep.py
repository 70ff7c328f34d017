"""Many files: what is known of them already, what has to be looked at anew, and by how many processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from nnlint import entries
from nnlint.cache import Cache
from nnlint.engine import Linter, unread
from nnlint.file_result import FileResult
from nnlint.files import NOTEBOOK, read
from nnlint.finding import NotRun
from nnlint.page import Page

# Starting processes and asking them takes as long as looking at about this much source.
_WORTH_BYTES = 100_000


# The key and the line under which a result is remembered.
_Entry: TypeAlias = "tuple[str, str] | None"


@dataclass(frozen=True)
class _Look:
    """What a process does with a file: its result before it is told, and what to remember of it."""

    linter: Linter

    @cached_property
    def pages(self) -> dict[str, Page]:
        return {page.code: page for page in self.linter.pages}

    def __call__(self, task: tuple[str, bytes]) -> tuple[FileResult, _Entry]:
        name, facts = task
        try:
            data = read(name)
        except OSError as error:
            return unread(name, error), None
        return self.at(name, facts, data)

    def at(self, name: str, facts: bytes, data: bytes) -> tuple[FileResult, _Entry]:
        """The same for a file that has been read; there is nothing to remember where no facts are given."""
        result = self.linter.look(data, name)
        line = entries.to_line(result, data, self.pages) if facts else None
        return result, None if line is None else (Cache.key(data, facts), line)


class _Facts:
    """Beside a file's bytes, all that decides what is found in it; empty without a cache."""

    def __init__(self, linter: Linter, cache: Cache | None) -> None:
        self.linter = linter
        self.cache = cache
        self._made: dict[tuple[object, bool], bytes] = {}

    def of(self, name: str) -> bytes:
        if self.cache is None:
            return b""
        known = self.linter.codes_for(name), name[-len(NOTEBOOK) :].lower() == NOTEBOOK
        facts = self._made.get(known)
        if facts is None:
            codes, notebook = known
            facts = self._made[known] = self.cache.facts(*sorted(codes), NOTEBOOK if notebook else "")
        return facts


def sweep(linter: Linter, files: Sequence[str], cache: Cache | None, jobs: int) -> Iterator[FileResult]:
    """The results of the files, in their order, whatever is remembered and however many processes look.

    RegistryError if a rule cannot be imported, which is noticed at the first file that has to be looked at.
    """
    look, facts = _Look(linter), _Facts(linter, cache)
    known: dict[int, FileResult] = {}
    waiting: dict[int, tuple[str, bytes]] = {}
    size = 0
    for at, name in enumerate(files):
        try:
            data = read(name)
        except OSError as error:
            known[at] = unread(name, error)
            continue
        task = (name, facts.of(name))
        line = cache.get(Cache.key(data, task[1])) if cache else None
        result = None if line is None else entries.from_line(line, name, data, look.pages)
        if result is None and jobs > 1 and linter.may_say(data):
            waiting[at] = task
            size += len(data)
        elif result is None:
            result, entry = look.at(*task, data)
            _keep(cache, entry)
        if result is not None:
            known[at] = result
    if size < _WORTH_BYTES or len(waiting) == 1:
        jobs = 1
    found = _looks(look, list(waiting.values()), jobs)
    for at in range(len(files)):
        if at in waiting:
            result, entry = next(found)
            _keep(cache, entry)
        else:
            result = known.pop(at)
        yield linter.told(result)


def _keep(cache: Cache | None, entry: _Entry) -> None:
    if cache is not None and entry is not None:
        cache.put(*entry)


def _looks(look: _Look, tasks: Sequence[tuple[str, bytes]], jobs: int) -> Iterator[tuple[FileResult, _Entry]]:
    if jobs == 1 or not tasks:
        yield from map(look, tasks)
        return
    from nnlint.pool import Lost, spread

    # Here, so that the processes find the rules imported, and a rule that cannot be ends the run.
    look.linter.source_rules  # noqa: B018
    for (name, _), outcome in zip(tasks, spread(look, tasks, jobs), strict=True):
        if isinstance(outcome, Lost):
            yield FileResult(name, not_run=(NotRun("static tier", outcome.why, name),)), None
        else:
            yield outcome
