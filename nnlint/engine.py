"""Files -> gate -> model -> rules -> suppress -> sort -> Report. Prints nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import nnlint.files
from nnlint import registry
from nnlint.baseline import Baseline
from nnlint.config import Config
from nnlint.finding import Finding, NotRun, Report, Severity, Span, Tier
from nnlint.page import Page

# What linting needs (libcst, the rules) is imported where a file is looked at: a run over files that have
# not changed looks at none.
if TYPE_CHECKING:
    from nnlint.documents import Document
    from nnlint.rule import Rule
    from nnlint.static.source import SourceError

SYNTAX_ERROR = "NNL000"


@dataclass(frozen=True, slots=True)
class FileResult:
    """What one file gave."""

    filename: str
    findings: tuple[Finding, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    # By `shown_name`: the texts that findings point into.
    sources: Mapping[str, str] = field(default_factory=dict)
    # False for what is not ours to check: a notebook in another language.
    checked: bool = True
    # How many findings the baseline knows in this file and nobody has found.
    stale: int = 0

    @property
    def text(self) -> str:
        return next(iter(self.sources.values()), "")


Treatment: TypeAlias = Callable[[bytes, FileResult], FileResult]


@dataclass(frozen=True)
class Linter:
    """The pages, the rules that run, and the codes that are reported."""

    pages: Sequence[Page]
    rules: Sequence[Rule]
    codes: Collection[str]
    # (pattern, codes) pairs, patterns relative to `root`.
    per_file_ignores: Mapping[str, Collection[str]]
    exclude: Sequence[str]
    root: Path
    # What takes the place of the pages' severities, by code, and of the pages' own addresses.
    severities: Mapping[str, Severity] = field(default_factory=dict)
    docs_url: str = ""
    # Known findings, which are not reported.
    baseline: Baseline = field(default_factory=Baseline)

    @classmethod
    def load(cls, config: Config | None = None) -> Linter:
        """The linter that the settings ask for; raises RegistryError, SelectorError or BaselineError.

        Its rules are imported when they are first asked for; RegistryError is raised there if one cannot be.
        """
        config = config or Config()
        pages = registry.pages()
        codes = registry.select(pages, config.select, config.extend_select, config.ignore)
        ignores = {
            pattern: registry.expand(pages, selectors)
            for pattern, selectors in config.per_file_ignores.items()
        }
        severities = {
            code: level
            for selector, level in config.severity.items()
            for code in registry.expand(pages, [selector])
        }
        return cls(
            pages,
            registry.shelf(codes),
            codes,
            ignores,
            config.exclude,
            config.root,
            severities,
            config.docs_url,
            Baseline.read(config.root / config.baseline) if config.baseline else Baseline(),
        )

    @cached_property
    def source_rules(self) -> list[Rule]:
        """Those that look at the source, imported; raises RegistryError if one cannot be."""
        return registry.looking_at("S", self.rules)

    def check(self, paths: Iterable[str | Path], treat: Treatment | None = None) -> Report:
        """Everything there is to say about the files and folders; `-` is standard input.

        What `treat` makes of a file's bytes and result (it may repair the file) takes the result's place.
        """
        started = time.perf_counter()
        findings: list[Finding] = []
        sources: dict[str, str] = {}
        names = [str(path) for path in paths]
        found = self.discover(names)
        not_run = found.not_run
        stale = self.baseline.gone(self.root)
        read_stdin = nnlint.files.STDIN in names
        files = len(found.files) + read_stdin
        for name in (*((nnlint.files.STDIN,) if read_stdin else ()), *map(str, found.files)):
            result = self._check_file(name, treat)
            findings.extend(result.findings)
            not_run.extend(result.not_run)
            sources.update(result.sources)
            files -= not result.checked
            stale += result.stale
        return Report(
            findings=tuple(sorted(findings)),
            not_run=tuple(sorted(not_run, key=lambda entry: (entry.filename, entry.what))),
            files=files,
            seconds=time.perf_counter() - started,
            sources=sources,
            stale=stale,
        )

    def discover(self, paths: Iterable[str]) -> nnlint.files.Discovery:
        """The files that the paths stand for; `-` is none."""
        named = [Path(path) for path in paths if path != nnlint.files.STDIN]
        return nnlint.files.discover(named, self.exclude, self.root)

    def check_text(self, text: str, filename: str = "<text>") -> Report:
        """The same for a text that is no file."""
        started = time.perf_counter()
        result = self.check_bytes(text.encode(), filename)
        return Report(
            findings=tuple(sorted(result.findings)),
            not_run=tuple(result.not_run),
            files=int(result.checked),
            seconds=time.perf_counter() - started,
            sources=result.sources,
        )

    def _check_file(self, name: str, treat: Treatment | None) -> FileResult:
        try:
            if name == nnlint.files.STDIN:
                name, data = nnlint.files.STDIN_NAME, sys.stdin.buffer.read()
            else:
                data = Path(name).read_bytes()
        except OSError as error:
            return FileResult(name, not_run=(NotRun("read", error.strerror or str(error), name),))
        result = self.check_bytes(data, name)
        return treat(data, result) if treat else result

    def check_bytes(
        self, data: bytes, filename: str, also: Sequence[Finding] = (), tiers: Collection[str] = ("S",)
    ) -> FileResult:
        """What there is to say about one file that holds these bytes.

        `also` is what other tiers have found in it, and `tiers` are all that have looked: a comment can
        silence any finding, and is only called unused if nothing could have been found elsewhere.
        """
        from nnlint import documents
        from nnlint.static.source import GATE, SourceError

        if not GATE.search(data) and not also:
            stale = self.baseline.left(self.relative(filename), (), (), self.codes)[1] if self.baseline else 0
            return FileResult(filename, stale=stale)
        try:
            return self.check_document(documents.read(data, filename), filename, also, tiers)
        except SourceError as error:
            broken = self._unreadable(error, filename)
            sources = {filename: data.decode(errors="replace")} if broken else {}
            return FileResult(filename, broken, sources=sources)

    def check_document(
        self,
        document: Document,
        filename: str,
        also: Sequence[Finding] = (),
        tiers: Collection[str] = ("S",),
    ) -> FileResult:
        """The same for a document that has been read; raises SourceError if nothing of it can be."""
        from nnlint import source_tier, suppress

        source = document.source
        stale = 0
        if not document.python:
            return FileResult(filename, checked=False)
        faults: list[Finding] = []
        for cell, fault in document.faults:
            faults.extend(replace(finding, cell=cell) for finding in self._unreadable(fault, filename))
        due = [rule for rule in self.source_rules if source_tier.may_speak(rule, source.text)]
        findings, not_run = source_tier.run(due, source)
        also = [document.inward(finding) for finding in also]
        codes = self._codes_for(filename)
        seen = {(finding.code, finding.span.start.row) for finding in also}
        wanted = [
            finding
            for finding in (*findings, *also)
            # What a run has shown need not be said a second time from the source.
            if finding.code in codes
            and (finding.tier is not Tier.STATIC or (finding.code, finding.span.start.row) not in seen)
        ]
        looked = {page.code for page in self.pages if page.code in codes and set(page.tiers) <= set(tiers)}
        kept = suppress.apply(wanted, source.text, filename, self.pages, looked, document.parts)
        shown = [self._as_asked(finding) for finding in (*faults, *map(document.outward, kept))]
        if self.baseline:
            from nnlint.fingerprint import fingerprints

            keys = fingerprints(shown, document.texts)
            shown, stale = self.baseline.left(self.relative(filename), shown, keys, looked)
        names = {finding.shown_name for finding in shown}
        names.update(related.shown_name for finding in shown for related in finding.related)
        sources = {name: text for name, text in document.texts.items() if name in names} if names else {}
        return FileResult(filename, tuple(shown), tuple(not_run), sources, stale=stale)

    def _as_asked(self, finding: Finding) -> Finding:
        """The finding with the severity and the address that the settings give it."""
        url = f"{self.docs_url.rstrip('/')}/{finding.name}/" if self.docs_url else finding.url
        return replace(finding, severity=self.severities.get(finding.code, finding.severity), url=url)

    def relative(self, filename: str) -> str:
        """The file as patterns and the baseline name it: from the folder of the settings, if it is below."""
        path = Path(filename).absolute()
        root = self.root.absolute()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()

    def _unreadable(self, error: SourceError, filename: str) -> tuple[Finding, ...]:
        if SYNTAX_ERROR not in self._codes_for(filename):
            return ()
        page = next(page for page in self.pages if page.code == SYNTAX_ERROR)
        span = Span.of(error.row, error.column, error.row, error.column + 1)
        finding = Finding(
            page.code, page.name, error.message, filename, span, page.severity, Tier.TOOL, page.url
        )
        return (finding,)

    def _codes_for(self, filename: str) -> Collection[str]:
        if not self.per_file_ignores:
            return self.codes
        from pathspec import GitIgnoreSpec

        relative = self.relative(filename)
        if relative.startswith("/"):
            return self.codes
        codes = set(self.codes)
        for pattern, ignored in self.per_file_ignores.items():
            if GitIgnoreSpec.from_lines([pattern]).match_file(relative):
                codes -= set(ignored)
        return codes
