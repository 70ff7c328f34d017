"""Whether a sequence model sees the tokens that it is to predict, and which of them it is to predict."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import FIRST, measured

FUTURE = measured(FIRST, "future")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One input of a model whose targets are its own elements, `shift` places later (0: the same ones)."""

    shift: int
    integer: bool
    length: int
    # Where the model was called, and where its loss.
    place: Place | None
    loss: Place | None
    # Whether other elements than these change any prediction, and by how much those before them change,
    # relative to how much all do.
    heard: bool
    leak: float
    # What in the model may be to blame: "`lstm` is bidirectional".
    suspects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Future:
    """Every input of the first iteration that its targets were made of."""

    sequences: tuple[Sequence, ...]
