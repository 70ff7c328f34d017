"""The mode of each model in the first evaluation pass, and when training goes on after it."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import SHORT, measured

MODES = measured(SHORT, "modes")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A trained model, called in training mode in a pass whose predictions are compared with targets.

    `loader` is where the loader of that pass was built; without one (`looped` is False) the script gave the
    data itself. `difference` is between the output as it was and that in evaluation mode, relative to the
    latter; `layers` are classes of modules in training mode that act differently in it.
    """

    class_name: str
    place: Place | None
    loader: Place | None
    looped: bool
    difference: float
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resumed:
    """A model that was trained in training mode at first, and in evaluation mode after an evaluation.

    `switched` is where it was put into that mode, `evaluated` where it was evaluated then, `place` where it
    was called to be trained.
    """

    class_name: str
    place: Place | None
    switched: Place | None
    evaluated: Place | None
    difference: float
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Modes:
    """All such models, in order."""

    evaluated: tuple[Evaluated, ...]
    resumed: tuple[Resumed, ...]
