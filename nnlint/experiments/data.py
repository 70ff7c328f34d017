"""The data as the loader gives them and as the network gets them, at the script's first training step."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.capture.plan import Place
from nnlint.experiments.loops import FIRST, measured

DATA = measured(FIRST, "data")

# What reading samples may take, in seconds, for each question that is asked of the data set.
SECONDS = 1.0
# So many samples are read at the most to look for what is held out among them.
MOST_SAMPLES = 4000
# So many held-out samples are looked for.
MOST_HELD_OUT = 300
# So many columns of an input are described at the most.
MOST_COLUMNS = 8
# A mean that lies so many deviations away from zero, and a size beyond which a column is far from 1.
FAR, LARGE = 10.0, 100.0


@dataclass(frozen=True, slots=True)
class Column:
    """One feature of an input of shape [samples, features]."""

    number: int
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the first layer with weights of a model is given, over one batch.

    `size` is the root of the mean square. `whole` says that all values are integers. `normalised` says that
    a normalisation layer comes next, so that the scale does not matter. `columns` are those that stand out:
    far from zero mean and unit size, or constant.
    """

    root: str
    layer: str
    class_name: str
    place: Place | None
    shape: tuple[int, ...]
    samples: int
    finite: bool
    low: float
    high: float
    mean: float
    deviation: float
    size: float
    whole: bool
    normalised: bool
    # Whether all samples are copies of the first.
    alike: bool
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Mutation:
    """Reading a sample has changed what the data set stores, each time, and so what it gives."""

    dataset: str
    attribute: str
    place: Place | None
    changed: int
    looked: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Held-out samples that are trained on.

    `shared` of `looked` samples of the other loader were found among `known` training samples; `repeated` is
    the share of these that training holds more than once. `exact`: known from the indices into one data set.
    `same`: both loaders go through one and the same data set as a whole.
    """

    names: tuple[str, ...]
    place: Place | None
    training: Place | None
    looked: int
    shared: int
    known: int
    repeated: float
    exact: bool
    same: bool


@dataclass(frozen=True, slots=True)
class Order:
    """The class labels in the order in which an unshuffled loader gives them.

    `changes` of label between neighbours among `looked` samples, and how many a random order would have.
    """

    place: Place | None
    sampler: str
    batch_size: int
    samples: int
    looked: int
    classes: int
    changes: int
    expected: float


@dataclass(frozen=True, slots=True)
class Stream:
    """Two loader workers, with seeds of their own, have drawn the same numbers for the same samples."""

    dataset: str
    place: Place | None
    loader: Place | None
    workers: int
    initialised: bool


@dataclass(frozen=True, slots=True)
class Data:
    """All that was found; what could not be looked at is left out."""

    inputs: tuple[Inputs, ...]
    mutation: Mutation | None
    overlaps: tuple[Overlap, ...]
    order: Order | None
    stream: Stream | None
