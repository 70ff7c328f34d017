"""What one file gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nnlint.finding import Finding, NotRun


class FileResult(NamedTuple):
    """The findings of one file, and what could not be done with it."""

    filename: str
    findings: tuple[Finding, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    # By `shown_name`: the texts that findings point into.
    sources: Mapping[str, str] = {}
    # False for what is not ours to check: a notebook in another language.
    checked: bool = True
    # How many findings the baseline knows in this file and nobody has found.
    stale: int = 0

    @property
    def text(self) -> str:
        return next(iter(self.sources.values()), "")
