"""Files -> gate -> model -> rules -> suppress -> sort -> Report. Prints nothing."""

from __future__ import annotations

import itertools
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
from nnlint.file_result import FileResult
from nnlint.finding import Finding, NotRun, Report, Severity, Span, Tier
from nnlint.page import Page
from nnlint.shard import Shard

# What linting needs (libcst, the rules) is imported where a file is looked at: a run over files that have
# not changed looks at none.
if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    from nnlint.cache import Cache
    from nnlint.documents import Document
    from nnlint.rule import Rule
    from nnlint.static.source import SourceError

SYNTAX_ERROR = "NNL000"


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
    # Which of the files are looked at.
    shard: Shard = field(default_factory=Shard)
    # Whether what is named is left out too if the settings say so.
    force_exclude: bool = False
    # The name of standard input: that of the file that an editor pipes through.
    stdin_name: str = nnlint.files.STDIN_NAME

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
            registry.shelf(codes, pages),
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

    def check(
        self,
        paths: Iterable[str | Path],
        treat: Treatment | None = None,
        *,
        cache: Cache | None = None,
        jobs: int = 1,
    ) -> Report:
        """Everything there is to say about the files and folders; `-` is standard input.

        What `treat` makes of the bytes and the result of a file with findings (it may repair the file) takes
        the result's place. What `cache` knows is not looked at again; many files are looked at by up to
        `jobs` processes.
        """
        from nnlint.sweep import sweep

        started = time.perf_counter()
        findings: list[Finding] = []
        sources: dict[str, str] = {}
        names = [str(path) for path in paths]
        found = self.discover(names)
        not_run = found.not_run
        # Counted once, however many machines look.
        stale = self.baseline.gone(self.root) if self.shard.index == 1 else 0
        files = 0
        results = sweep(self, found.files, cache, jobs)
        if nnlint.files.STDIN in names:
            results = itertools.chain((self._check_stdin(treat),), results)
        for result in results:
            # A treatment works on what was found just now, in the bytes that it is given.
            if treat and result.findings and result.filename != self.stdin_name:
                result = self._treated(result.filename, treat)
            findings.extend(result.findings)
            not_run.extend(result.not_run)
            sources.update(result.sources)
            files += result.checked
            stale += result.stale
        return Report(
            findings=tuple(sorted(findings, key=lambda finding: finding.sort_key)),
            not_run=tuple(sorted(not_run, key=lambda entry: (entry.filename, entry.what))),
            files=files,
            seconds=time.perf_counter() - started,
            sources=sources,
            stale=stale,
        )

    def discover(self, paths: Iterable[str]) -> nnlint.files.Discovery:
        """The files that the paths stand for; `-` is none."""
        named = [Path(path) for path in paths if path != nnlint.files.STDIN]
        if self.force_exclude:
            named = nnlint.files.left(named, self.exclude, self.root)
        found = nnlint.files.discover(named, self.exclude, self.root)
        if self.shard.count > 1:
            found.files = [file for file in found.files if self.shard.holds(self.relative(file))]
        return found

    def excludes(self, filename: str) -> bool:
        """Whether the settings leave a file out, which whoever names it may not know (an editor, a hook)."""
        return not nnlint.files.left([Path(filename)], self.exclude, self.root)

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

    def _check_stdin(self, treat: Treatment | None) -> FileResult:
        data = sys.stdin.buffer.read()
        if self.force_exclude and self.excludes(self.stdin_name):
            result = FileResult(self.stdin_name, checked=False)
        else:
            result = self.check_bytes(data, self.stdin_name)
        return treat(data, result) if treat else result

    def _treated(self, name: str, treat: Treatment) -> FileResult:
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            return unread(name, error)
        return treat(data, self.check_bytes(data, name))

    def check_bytes(
        self, data: bytes, filename: str, also: Sequence[Finding] = (), tiers: Collection[str] = ("S",)
    ) -> FileResult:
        """What there is to say about one file that holds these bytes.

        `also` is what other tiers have found in it, and `tiers` are all that have looked: a comment can
        silence any finding, and is only called unused if nothing could have been found elsewhere.
        """
        return self.told(self.look(data, filename, also, tiers), tiers)

    def check_document(
        self,
        document: Document,
        filename: str,
        also: Sequence[Finding] = (),
        tiers: Collection[str] = ("S",),
    ) -> FileResult:
        """The same for a document that has been read; raises SourceError if nothing of it can be."""
        return self.told(self._look_at(document, filename, also, tiers), tiers)

    @staticmethod
    def may_say(data: bytes) -> bool:
        """Whether a word of the torch world stands in the file; if not, there is nothing to look at."""
        from nnlint.static.source import GATE

        return GATE.search(data) is not None

    def look(
        self, data: bytes, filename: str, also: Sequence[Finding] = (), tiers: Collection[str] = ("S",)
    ) -> FileResult:
        """What is found in a file, before the baseline and the settings' own severities have a say."""
        if not also and not self.may_say(data):
            return FileResult(filename)
        from nnlint import documents
        from nnlint.static.source import SourceError

        try:
            return self._look_at(documents.read(data, filename), filename, also, tiers)
        except SourceError as error:
            broken = self._unreadable(error, filename)
            sources = {filename: data.decode(errors="replace")} if broken else {}
            return FileResult(filename, broken, sources=sources)

    def _look_at(
        self, document: Document, filename: str, also: Sequence[Finding], tiers: Collection[str]
    ) -> FileResult:
        from nnlint import source_tier, suppress

        source = document.source
        if not document.python:
            return FileResult(filename, checked=False)
        faults: list[Finding] = []
        for cell, fault in document.faults:
            faults.extend(replace(finding, cell=cell) for finding in self._unreadable(fault, filename))
        due = registry.speaking(self.rules, source.text)
        findings, not_run = source_tier.run(due, source)
        also = [document.inward(finding) for finding in also]
        codes = self.codes_for(filename)
        seen = {(finding.code, finding.span.start.row) for finding in also}
        wanted = [
            finding
            for finding in (*findings, *also)
            # What a run has shown need not be said a second time from the source.
            if finding.code in codes
            and (finding.tier is not Tier.STATIC or (finding.code, finding.span.start.row) not in seen)
        ]
        looked = self._looked(filename, tiers)
        kept = suppress.apply(wanted, source.text, filename, self.pages, looked, document.parts)
        shown = (*faults, *map(document.outward, kept))
        return FileResult(filename, shown, tuple(not_run), _pointed_at(shown, document.texts))

    def told(self, result: FileResult, tiers: Collection[str] = ("S",)) -> FileResult:
        """A file's findings as the settings want them told: without known ones, as grave as they say."""
        if not (self.baseline or (result.findings and (self.severities or self.docs_url))):
            return result
        shown: Sequence[Finding] = [self._as_asked(finding) for finding in result.findings]
        stale = 0
        # Of a file that cannot be read nobody knows what is gone.
        broken = any(finding.code == SYNTAX_ERROR and finding.cell is None for finding in shown)
        if self.baseline and result.checked and not broken:
            from nnlint.fingerprint import fingerprints

            looked = self._looked(result.filename, tiers)
            keys = fingerprints(shown, result.sources)
            shown, stale = self.baseline.left(self.relative(result.filename), shown, keys, looked)
        sources = _pointed_at(shown, result.sources)
        return result._replace(findings=tuple(shown), sources=sources, stale=stale)

    def _looked(self, filename: str, tiers: Collection[str]) -> set[str]:
        """The codes of the rules that have looked at a file in full, if these tiers have."""
        codes = self.codes_for(filename)
        return {page.code for page in self.pages if page.code in codes and set(page.tiers) <= set(tiers)}

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
        if SYNTAX_ERROR not in self.codes_for(filename):
            return ()
        page = next(page for page in self.pages if page.code == SYNTAX_ERROR)
        span = Span.of(error.row, error.column, error.row, error.column + 1)
        finding = Finding(
            page.code, page.name, error.message, filename, span, page.severity, Tier.TOOL, page.url
        )
        return (finding,)

    def codes_for(self, filename: str) -> Collection[str]:
        """The codes that are reported in a file."""
        if not self.per_file_ignores:
            return self.codes
        relative = self.relative(filename)
        if relative.startswith("/"):
            return self.codes
        ignored = [codes for spec, codes in self._ignored_by if spec.match_file(relative)]
        return frozenset(self.codes).difference(*ignored) if ignored else self.codes

    @cached_property
    def _ignored_by(self) -> list[tuple[GitIgnoreSpec, Collection[str]]]:
        from pathspec import GitIgnoreSpec

        return [(GitIgnoreSpec.from_lines([line]), codes) for line, codes in self.per_file_ignores.items()]


def unread(name: str, error: OSError) -> FileResult:
    """The result of a file that cannot be read."""
    return FileResult(name, not_run=(NotRun("read", error.strerror or str(error), name),))


def _pointed_at(findings: Sequence[Finding], texts: Mapping[str, str]) -> dict[str, str]:
    """Those of the texts that findings point into."""
    names = {finding.shown_name for finding in findings}
    names.update(related.shown_name for finding in findings for related in finding.related)
    return {name: text for name, text in texts.items() if name in names} if names else {}
