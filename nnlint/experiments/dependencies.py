"""Puts one sample in another's place and sees whose predictions change."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import FIRST, measured

CHARTED = measured(FIRST, "dependencies")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What one call of a model showed. `why` says why it could not be charted; the rest then means nothing.

    `tried` counts the samples that were replaced, `mixed` those whose replacement changed the predictions of
    others, and `others` the largest share of the others that changed. `own` says whether a replaced sample's
    own prediction changed. `context` names layers that mix samples by design and were set to their running
    statistics.
    """

    root: str
    place: Place | None
    samples: int
    why: str
    tried: int
    mixed: int
    others: float
    own: bool
    context: tuple[str, ...]
