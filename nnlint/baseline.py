"""Findings that are known and are not reported: what a project starts with when it takes nnlint up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnlint.finding import Finding

# What nnlint says about its own input is no state of a project to start from.
NEVER = ("NNL000",)


class BaselineError(Exception):
    """A file that is no baseline; the message is one line and names it."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """By file (from the folder of the settings), code and fingerprint: how many findings are known."""

    files: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files)

    @classmethod
    def of(cls, known: Iterable[tuple[str, Finding, str]]) -> Baseline:
        """From each finding's file, itself and its fingerprint."""
        files: dict[str, Counter[tuple[str, str]]] = {}
        for name, finding, key in known:
            if finding.code not in NEVER:
                files.setdefault(name, Counter())[finding.code, key] += 1
        return cls(files)

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """From its file; may raise BaselineError."""
        import json  # here, as most projects have no baseline

        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["version"] != 1:
                raise BaselineError(f"{path}: a baseline of version {data['version']}; this nnlint reads 1")
            files: dict[str, dict[tuple[str, str], int]] = {}
            for name, codes in data["files"].items():
                for code, keys in codes.items():
                    files.setdefault(name, {}).update(((code, key), int(keys[key])) for key in keys)
            return cls(files)
        except OSError as error:
            what = f"cannot read the baseline: {error.strerror or error}; `nnlint baseline` writes one"
            raise BaselineError(f"{path}: {what}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BaselineError(f"{path}: not a baseline; `nnlint baseline` writes one") from None

    def to_json(self) -> str:
        """Sorted, a fingerprint a line: two branches that change it merge."""
        import json

        files: dict[str, dict[str, dict[str, int]]] = {}
        for name, known in sorted(self.files.items()):
            for (code, key), count in sorted(known.items()):
                files.setdefault(name, {}).setdefault(code, {})[key] = count
        return json.dumps({"version": 1, "files": files}, indent=2, ensure_ascii=False) + "\n"

    def left(
        self, name: str, findings: Sequence[Finding], keys: Sequence[str], looked: Collection[str]
    ) -> tuple[list[Finding], int]:
        """The findings of a file that are not known, and how many known ones (of `looked`) are gone."""
        waiting = Counter(self.files.get(name, {}))
        unknown = []
        for finding, key in zip(findings, keys, strict=True):
            if waiting[finding.code, key] > 0:
                waiting[finding.code, key] -= 1
            else:
                unknown.append(finding)
        return unknown, sum(count for (code, _), count in waiting.items() if code in looked)

    def gone(self, root: Path) -> int:
        """How many findings are known in files that are not there any more."""
        return sum(sum(known.values()) for name, known in self.files.items() if not (root / name).exists())
