"""Where the first NaN or Inf of a run came from: what the same steps, played again, show of it."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place


@dataclass(frozen=True, slots=True)
class Source:
    """An operation with finite inputs whose output is not finite, or something given that is not finite.

    `given` is "" for an operation; else "batch", "parameter", "buffer" or "constant", with its `name` if it
    has one. `ranges` has the smallest and the largest element of each tensor that the operation got.
    """

    op: str
    place: Place | None
    module: str
    # In a backward pass, `place` is where the operation stands whose gradient it was.
    backward: bool
    # Whether what it put out holds NaN; Inf otherwise.
    nan: bool
    ranges: tuple[str, ...]
    given: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The operation that is to blame, and the one that made NaN of its Inf, if that was another."""

    step: int
    source: Source
    then: Source | None
