"""nnlint as a plugin of flake8: `flake8` then reports nnlint's findings beside its own, under their codes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from nnlint import __version__
from nnlint.config import Config, find_config
from nnlint.engine import Linter


class Plugin:
    """One file, as flake8 hands it over. What is reported is chosen by nnlint's own settings."""

    name = "nnlint"
    version = __version__

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        del tree  # libcst reads the text itself
        self.filename = filename
        self.text = "".join(lines)

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        """Row from 1, column from 0, and the message behind its code."""
        report = _linter(_config(Path(self.filename).parent)).check_text(self.text, self.filename)
        for finding in report.findings:
            start = finding.span.start
            yield start.row, start.column - 1, f"{finding.code} {finding.message}", type(self)
        for entry in report.not_run:
            yield 1, 0, f"NNL000 not run: {entry.what}: {entry.why}", type(self)


@cache
def _config(folder: Path) -> Config:
    return find_config(folder)


@cache
def _linter(config: Config) -> Linter:
    return Linter.load(config)
