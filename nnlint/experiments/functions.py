"""Custom autograd functions beside finite differences in double precision."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import FIRST, measured

FUNCTIONS = measured(FIRST, "functions")


@dataclass(frozen=True, slots=True)
class Input:
    """One floating input of a function: directional derivatives by its backward and by finite differences."""

    number: int
    backward: tuple[float, ...]
    differences: tuple[float, ...]

    @property
    def flat(self) -> bool:
        """Whether the function does not change with it though its backward says so: straight-through."""
        return all(abs(value) < 1e-9 for value in self.differences) and any(
            abs(value) > 1e-6 for value in self.backward
        )

    @property
    def wrong(self) -> int:
        """In how many directions the two disagree."""
        largest = max((abs(value) for value in (*self.backward, *self.differences)), default=0.0)
        return sum(
            abs(one - other) > 1e-3 * max(abs(one), abs(other)) + 1e-6 * largest + 1e-9
            for one, other in zip(self.backward, self.differences, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Function:
    """One class as the first iteration applied it. `place` is its `backward`."""

    name: str
    place: Place | None
    applied: Place | None
    # Whether it hands on an input as it is, and so exists for its backward alone.
    identity: bool
    inputs: tuple[Input, ...]
    # Why it could not be checked; "" if it was.
    unchecked: str


@dataclass(frozen=True, slots=True)
class Functions:
    """All that are defined in the user's files and were applied."""

    found: tuple[Function, ...]
