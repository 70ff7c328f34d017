"""How a network fares while it is trained: gradients, updates, activations, by layer and step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from nnlint.capture.plan import Place
from nnlint.experiments.loops import REAL, measured
from nnlint.experiments.origin import Origin

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

_T = TypeVar("_T")

HEALTH = measured(REAL, "health")

# The updates at which everything is measured; at all others only whether gradients and loss are finite.
SCHEDULE = (0, 1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30, 37, 44, 51, 58, 80, 120, 180, 260, 400, 600, 900)
MOST_LAYERS = 64
MOST_WEIGHTS = 96
MOST_UNTOUCHED = 128
# Bins of the histogram of an output.
BINS = 24
# Points that are kept of a course through time.
MOST_MOMENTS = 32


@dataclass(frozen=True, slots=True)
class Weight:
    """One parameter over the measured steps of its optimizer. Norms are Euclidean; one entry a step."""

    root: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    # The class of the optimizer, and where it was built.
    optimizer: str
    place: Place | None
    rates: tuple[float, ...]
    gradients: tuple[float, ...]
    # Before the step, and of what the step has added.
    norms: tuple[float, ...]
    updates: tuple[float, ...]
    # Whether all its rows (what the units weigh their inputs with) were copies of one another, and whether
    # all steps together have moved them nearly alike.
    alike_before: bool
    alike_after: bool
    # Whether all elements are the same number at the end.
    constant: bool
    # The share of elements with a gradient that were other numbers at the end than at the start.
    moved: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How the elements of an output spread: counts in bins of equal width between the two ends."""

    step: int
    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """The output of one layer, or of one activation function, over the measured calls of its root."""

    root: int
    name: str
    class_name: str
    place: Place | None
    # "relu", "tanh" or "sigmoid" for what can die or saturate; else "".
    activation: str
    # Whether a layer with weights follows in the same call.
    hidden: bool
    units: int
    # The updates that had been made before each measured call, and the figures of its elements.
    steps: tuple[int, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    largest: tuple[float, ...]
    # The norm of the loss's gradient by this output; 0 where none arrived.
    gradients: tuple[float, ...]
    # Shares: of units that no sample of the batch activates, and of elements at the low and at the high end.
    dead: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    # The share of units that no sample of the later half of the measured calls activates.
    dead_throughout: float
    # Samples that this share stands on.
    samples: int
    # Of the first measured call and of the last one; empty where nothing was finite.
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """What a layer that is applied moment after moment puts out, and the loss's gradient by it."""

    root: int
    name: str
    place: Place | None
    moments: int
    step: int
    largest: tuple[float, ...]
    gradients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stepper:
    """An optimizer: how often it stepped, and how often with a gradient at hand."""

    class_name: str
    place: Place | None
    parameters: int
    steps: int
    graded: int
    # The rate of its first group at each step.
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The first time that something was NaN or Inf: a "loss", a "gradient" or a "weight"."""

    what: str
    step: int
    names: tuple[str, ...]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Untouched:
    """A trainable parameter without a gradient in any step. `owner` is the class that made it a part."""

    root: int
    name: str
    shape: tuple[int, ...]
    # Whether its module was called, and whether that was under `no_grad` only.
    called: bool
    without_grad: bool
    # Whether an optimizer holds it.
    held: bool
    # Whether the class that holds the module, and that of the module, are the user's own.
    own: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """A frozen part of a root, by its path, whose batch norm kept moving its statistics."""

    root: int
    part: str
    norms: int
    # The largest move of a running mean, in running standard deviations.
    moved: float


@dataclass(frozen=True, slots=True)
class Health:
    """All of it, in the order of the first calls; `left_out_…` counts what the caps have cut."""

    roots: tuple[str, ...]
    root_places: tuple[Place | None, ...]
    steps: tuple[int, ...]
    weights: tuple[Weight, ...]
    layers: tuple[Layer, ...]
    courses: tuple[Course, ...]
    steppers: tuple[Stepper, ...]
    broken: Broken | None
    # Where that came from, if playing it again has shown it.
    origin: Origin | None
    untouched: tuple[Untouched, ...]
    drifts: tuple[Drift, ...]
    left_out_weights: int
    left_out_layers: int


def of(seen: Capture) -> Health | None:
    """What was measured, if the loop could be continued."""
    trajectory = seen.trajectories.get(HEALTH.name)
    return trajectory.measure(Health) if trajectory else None


def ratios(weight: Weight) -> list[float]:
    """The norm of each update over that of the weight; NaN where the weight is zero."""
    return [
        update / norm if norm > 0 else math.nan
        for update, norm in zip(weight.updates, weight.norms, strict=True)
    ]


def update_ratio(weight: Weight, most: int | None = None) -> float | None:
    """The median of update norm to weight norm over the (first so many) steps; None for fewer than four."""
    ratios = [
        update / norm
        for update, norm in zip(weight.updates[:most], weight.norms[:most], strict=True)
        if norm > 0 and math.isfinite(update) and math.isfinite(norm)
    ]
    return median(ratios) if len(ratios) >= 4 else None


def typical(values: Sequence[float]) -> float:
    """The median of what is finite; NaN if nothing is."""
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else math.nan


def matrices(health: Health) -> Iterator[Weight]:
    """The weights with at least two axes and more than a handful of elements."""
    for weight in health.weights:
        if len(weight.shape) >= 2 and math.prod(weight.shape) >= 16 and min(weight.shape[:2]) >= 2:
            yield weight


def evenly(items: Sequence[_T], most: int) -> list[_T]:
    """So many of them at the most, the first and the last among them, at even distances."""
    if len(items) <= most:
        return list(items)
    if most < 2:
        return list(items[:most])
    return [items[round(at * (len(items) - 1) / (most - 1))] for at in range(most)]


def short(value: float) -> float:
    """The number with four digits: what is kept must stay small."""
    return float(f"{value:.4g}")


@dataclass(frozen=True, slots=True)
class Depth:
    """Weights in the order in which their layers are called: the first and the last third."""

    root: int
    first: tuple[Weight, ...]
    last: tuple[Weight, ...]

    @property
    def ratio(self) -> float:
        """The largest typical gradient of the first third to that of the last; NaN if that is zero."""
        ends = [max(typical(weight.gradients) for weight in part) for part in (self.first, self.last)]
        return ends[0] / ends[1] if ends[1] > 0 else math.nan


def depths(health: Health) -> Iterator[Depth]:
    """One for each root with at least four layers that have matrices."""
    called = {(layer.root, layer.name): number for number, layer in enumerate(health.layers)}
    for root in range(len(health.roots)):
        found = [
            (called[owner], weight)
            for weight in matrices(health)
            if weight.root == root and (owner := (root, weight.name.rpartition(".")[0])) in called
        ]
        ordered = [weight for _, weight in sorted(found, key=lambda entry: entry[0])]
        third = len(ordered) // 3
        if len(ordered) >= 4:
            yield Depth(root, tuple(ordered[:third]), tuple(ordered[-third:]))


def layer_of(health: Health, weight: Weight) -> Layer | None:
    """The layer that a weight belongs to, if its output was measured."""
    owner = weight.root, weight.name.rpartition(".")[0]
    return next((layer for layer in health.layers if (layer.root, layer.name) == owner), None)
