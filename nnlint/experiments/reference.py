"""Two scripts that should compute the same, step by step: the first tensor in which they part.

Nothing is compared element by element, since two processes hold the tensors: each tensor is told by its
shape, its norm and its products with a few vectors of random signs, which are the same in both. The products
of two tensors differ, in the mean square, by as much as the tensors do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from nnlint.capture.plan import Continuation, Place

STEPS = 10
# What a script does alone, and what is done with the other one's weights.
WRITES, READS = 0.0, 1.0

# Relative differences that rounding makes: of what is computed forward, and of updates, in which an optimizer
# that divides by the gradient's size makes noise large.
_FORWARD = {"float64": 1e-9, "float32": 2e-5, "float16": 2e-2, "bfloat16": 5e-2}
_UPDATES = 100.0
# Beyond those, what differs by so many times more than all before has a reason of its own.
_JUMP = 30.0
# A gradient of less than this share of the largest one is rounding (a bias in front of batch norm).
_NOISE = 1e-4
# Weights with so many elements are drawn on another scale if their sizes differ by more than this factor.
_MANY, _SCALE = 256, 1.3


def traced(descriptor: int, role: float) -> Continuation:
    """The first steps, with the weights written to (or read from) an open file."""
    values = (role, float(descriptor))
    return Continuation("comparison", "aligned", STEPS, 30.0, values, ("reference",))


@dataclass(frozen=True, slots=True)
class Sketch:
    """A tensor in a few numbers; `products` are with vectors of signs, NaN where the tensor is not finite."""

    shape: tuple[int, ...]
    dtype: str
    norm: float
    products: tuple[float, ...]

    def fits(self, other: Sketch) -> bool:
        """Whether both have one shape, but for axes of size one."""
        one, two = ([size for size in sketch.shape if size != 1] for sketch in (self, other))
        return one == two

    def apart(self, other: Sketch, least: float = 0.0) -> float:
        """By what share of their size (or of `least`) two tensors differ; infinite if their shapes do."""
        if not self.fits(other):
            return math.inf
        if not (math.isfinite(self.norm) and math.isfinite(other.norm)):
            return 0.0 if math.isfinite(self.norm) == math.isfinite(other.norm) else math.inf
        size = max(self.norm, other.norm, least)
        if size == 0.0:
            return 0.0
        pairs = zip(self.products, other.products, strict=True)
        between = math.sqrt(sum((one - two) ** 2 for one, two in pairs) / max(len(self.products), 1))
        return max(between, abs(self.norm - other.norm)) / size


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter as it was before the first step, and the module that holds it."""

    name: str
    sketch: Sketch


@dataclass(frozen=True, slots=True)
class Event:
    """A tensor that came by: "batch", "input" or "output" of a module, "loss", "gradient" or "update".

    `name` is that of the parameter, or of the module, with its `class_name`; `weight` counts the parameter,
    or the module's first one, among all weights, and is -1 where there is none. `place` is the line of the
    script that led to it. Of an update only those elements are kept whose gradient is more than rounding.
    """

    kind: str
    name: str
    weight: int
    place: Place | None
    sketch: Sketch
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """An optimizer: its class, its numbers by name, and where it is built."""

    class_name: str
    place: Place | None
    numbers: dict[str, float]


@dataclass(frozen=True, slots=True)
class Turn:
    """What came by up to an optimizer step, and that optimizer's number."""

    events: tuple[Event, ...]
    optimizer: int


@dataclass(frozen=True, slots=True)
class Run:
    """One script's first steps. `before` are its own weights where the other one's took their place."""

    weights: tuple[Weight, ...]
    before: tuple[Sketch, ...]
    optimizers: tuple[Settings, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two scripts, by name, and what each did."""

    names: tuple[str, str]
    ours: Run
    theirs: Run


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two runs part: the tensor in both, by what share of its size, and the last one that agreed."""

    step: int
    ours: Event
    theirs: Event
    apart: float
    agreed: Event | None
    # For gradients and updates: by how much all of them differ alike; NaN if they do not.
    factor: float = math.nan


@dataclass(slots=True)
class Agreement:
    """What was compared and found equal."""

    steps: int = 0
    tensors: int = 0
    # The largest relative difference forward.
    drift: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)


def matched(
    ours: Sequence[tuple[str, Sequence[int]]], theirs: Sequence[tuple[str, Sequence[int]]]
) -> list[int]:
    """For each of their parameters (name, shape), which of ours it is; empty if that cannot be told.

    By name where all names are the same, or else by order where all shapes are, or else by shape where no
    shape comes twice.
    """
    if len(ours) != len(theirs):
        return []
    shapes = {name: tuple(shape) for name, shape in ours}
    if len(shapes) == len(ours) and shapes == {name: tuple(shape) for name, shape in theirs}:
        index = {name: at for at, (name, _) in enumerate(ours)}
        return [index[name] for name, _ in theirs]
    one, two = ([tuple(shape) for _, shape in some] for some in (ours, theirs))
    if one == two:
        return list(range(len(ours)))
    if sorted(one) == sorted(two) and len(set(one)) == len(one):
        return [one.index(shape) for shape in two]
    return []


def unmatched(comparison: Comparison) -> tuple[Weight | None, Weight | None] | None:
    """The first parameters whose shapes differ; None if all have a counterpart."""
    ours, theirs = comparison.ours.weights, comparison.theirs.weights
    if _mapping(comparison) or not (ours or theirs):
        return None
    for at in range(max(len(ours), len(theirs))):
        one = ours[at] if at < len(ours) else None
        two = theirs[at] if at < len(theirs) else None
        if one is None or two is None or one.sketch.shape != two.sketch.shape:
            return one, two
    return None


def rescaled(comparison: Comparison) -> Iterator[tuple[Weight, float, float]]:
    """Our weights that begin on another scale than theirs, with both root mean squares."""
    for at, number in enumerate(_mapping(comparison)):
        if at < len(comparison.theirs.before):
            weight, theirs = comparison.ours.weights[number], comparison.theirs.before[at]
            count = math.prod(theirs.shape)
            low, high = sorted((weight.sketch.norm, theirs.norm))
            if count >= _MANY and high > _SCALE * low:
                yield weight, weight.sketch.norm / math.sqrt(count), theirs.norm / math.sqrt(count)


def part(comparison: Comparison) -> Parting | Agreement:
    """The first tensor in which the runs part, or how far they agree."""
    return _Comparing(comparison).run()


class _Comparing:
    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.mapping = _mapping(comparison)
        self.seen = Agreement()
        # Weights whose gradients are rounding: which way they move is chance.
        self.loose: set[int] = set()

    def run(self) -> Parting | Agreement:
        pairs = zip(self.comparison.ours.turns, self.comparison.theirs.turns, strict=False)
        for step, (ours, theirs) in enumerate(pairs, 1):
            if (found := self._turn(step, ours, theirs)) is not None:
                return found
            self.seen.steps = step
        return self.seen

    def _turn(self, step: int, ours: Turn, theirs: Turn) -> Parting | None:
        agreed: Event | None = None
        # What a module of another class puts out may be more, or less, of the way: what follows decides.
        doubtful: Parting | None = None
        for one, two in self._forward(ours, theirs):
            apart = one.sketch.apart(two.sketch)
            alike = one.class_name == two.class_name
            if apart <= self._allowed(one.sketch, two.sketch):
                self._agree(one, apart)
                doubtful, agreed = (None if one.kind != "output" else doubtful), one
            elif one.kind == "output" and not alike:
                doubtful = doubtful or Parting(step, one, two, apart, agreed)
            elif alike or one.kind != "input" or one.sketch.fits(two.sketch):
                return doubtful or Parting(step, one, two, apart, agreed)
        return self._backward(step, ours, theirs, "gradient") or self._backward(step, ours, theirs, "update")

    def _forward(self, ours: Turn, theirs: Turn) -> Iterator[tuple[Event, Event]]:
        """Inputs and outputs of modules with weights, those of whole models, and losses, in our order."""
        known = self._numbered(theirs, mapped=True)
        for key, event in self._numbered(ours, mapped=False).items():
            if (other := known.get(key)) is not None:
                yield event, other

    def _numbered(self, turn: Turn, *, mapped: bool) -> dict[tuple[str, int, int], Event]:
        counts: Counter[tuple[str, int]] = Counter()
        found: dict[tuple[str, int, int], Event] = {}
        for event in turn.events:
            if event.kind not in ("input", "output", "result", "loss"):
                continue
            weight = event.weight
            if mapped and weight >= 0:
                if weight >= len(self.mapping):
                    continue
                weight = self.mapping[weight]
            found[event.kind, weight, counts[event.kind, weight]] = event
            counts[event.kind, weight] += 1
        return found

    def _backward(self, step: int, ours: Turn, theirs: Turn, kind: str) -> Parting | None:
        own = {event.weight: event for event in ours.events if event.kind == kind}
        other = {
            self.mapping[event.weight]: event
            for event in theirs.events
            if event.kind == kind and event.weight < len(self.mapping)
        }
        # The way back begins at the last layer. What only one of them has is nothing in the other.
        known = set(self.mapping)
        pairs = [
            (
                own[at] if at in own else _nothing(other[at], self.comparison.ours.weights[at].name),
                other[at] if at in other else _nothing(own[at], self._name(at)),
            )
            for at in sorted(own.keys() | other.keys(), reverse=True)
            if at in known
        ]
        largest = max((max(one.sketch.norm, two.sketch.norm) for one, two in pairs), default=0.0)
        if kind == "gradient":
            self.loose |= {
                one.weight
                for one, two in pairs
                if 0 < max(one.sketch.norm, two.sketch.norm) < _NOISE * largest
            }
        more = _UPDATES if kind == "update" else 1.0
        parted = [
            (one, two, apart)
            for one, two in pairs
            if one.weight not in self.loose
            and (apart := one.sketch.apart(two.sketch, _NOISE * largest))
            > max(
                more * self._allowed(one.sketch, two.sketch),
                _UPDATES * _tolerance(one.sketch, two.sketch) / 10,
            )
        ]
        if parted:
            one, two, apart = parted[0]
            ratios = [two.sketch.norm / one.sketch.norm for one, two, _ in parted if one.sketch.norm > 0]
            factor = median(ratios) if ratios else math.nan
            alike = len(parted) == len(pairs) - len(self.loose & own.keys()) and all(
                abs(ratio - factor) <= 1e-3 * factor for ratio in ratios
            )
            agreed = next((event for event in reversed(ours.events) if event.kind == "loss"), None)
            return Parting(step, one, two, apart, agreed, factor if alike and len(ratios) > 1 else math.nan)
        for one, _ in pairs:
            self._agree(one, 0.0)
        return None

    def _name(self, weight: int) -> str:
        """What they call one of our weights."""
        return self.comparison.theirs.weights[self.mapping.index(weight)].name

    def _agree(self, event: Event, apart: float) -> None:
        self.seen.tensors += 1
        self.seen.kinds[event.kind] += 1
        self.seen.drift = max(self.seen.drift, apart)

    def _allowed(self, one: Sketch, two: Sketch) -> float:
        return max(_tolerance(one, two), _JUMP * self.seen.drift)


def _nothing(event: Event, name: str) -> Event:
    sketch = event.sketch
    nothing = Sketch(sketch.shape, sketch.dtype, 0.0, (0.0,) * len(sketch.products))
    return Event(event.kind, name, event.weight, None, nothing)


def _mapping(comparison: Comparison) -> list[int]:
    return matched(
        [(weight.name, weight.sketch.shape) for weight in comparison.ours.weights],
        [(weight.name, weight.sketch.shape) for weight in comparison.theirs.weights],
    )


def _tolerance(one: Sketch, two: Sketch) -> float:
    return max(_FORWARD.get(sketch.dtype, _FORWARD["float32"]) for sketch in (one, two))
