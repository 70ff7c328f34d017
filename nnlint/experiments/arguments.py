"""Whether what a model returns depends on each of its arguments, once it has trained for a while."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import REAL, measured

ARGUMENTS = measured(REAL, "arguments")


@dataclass(frozen=True, slots=True)
class Ignored:
    """An argument that differs from sample to sample, and may as well not: the results are the same.

    Some other argument may not: `heeded` names it.
    """

    root: str
    place: Place | None
    name: str
    shape: tuple[int, ...]
    heeded: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """Those that no result depends on, after so many updates."""

    steps: int
    ignored: tuple[Ignored, ...]
