"""What was loaded into models before training, with `strict=False`, and how much of it fitted."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import FIRST, measured

LOADED = measured(FIRST, "loads")


@dataclass(frozen=True, slots=True)
class Load:
    """One call: how many entries the model has, how many were given, and how many names are in both.

    If none is, `prefix` stands before the names on one side, or `inner` is the key under which they match.
    """

    class_name: str
    place: Place | None
    own: int
    given: int
    matched: int
    prefix: str
    inner: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """All such calls up to the first step, in order."""

    loads: tuple[Load, ...]
