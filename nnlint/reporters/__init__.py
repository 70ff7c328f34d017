"""Output formats: each module here is one, named as on the command line."""

from __future__ import annotations

import importlib
import os
from typing import Protocol, cast

from nnlint.finding import Report


class Render(Protocol):
    """What every reporter module offers under the name `render`."""

    def __call__(self, report: Report, *, color: bool = False) -> str: ...


def reporter_names() -> tuple[str, ...]:
    """The formats that exist, sorted."""
    # pkgutil does the same in ten times the time.
    files = [name for folder in __path__ for name in os.listdir(folder)]  # noqa: PTH208
    return tuple(sorted({name[:-3] for name in files if name.endswith(".py")} - {"__init__"}))


def reporter(name: str) -> Render:
    """The `render` function of one format."""
    return cast(Render, importlib.import_module(f"{__name__}.{name}").render)


def statistics_reporter(name: str) -> Render | None:
    """The function of one format that counts findings by rule; None if it cannot."""
    return cast("Render | None", getattr(importlib.import_module(f"{__name__}.{name}"), "statistics", None))
