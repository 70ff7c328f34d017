"""The first batch to look at: images, rows of ids with their text, columns of numbers, and the labels."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.experiments.loops import FIRST, measured

PREVIEW = measured(FIRST, "preview")

# So much of a batch can be taken in: samples, pixels along the longer side, ids of a sequence, columns of a
# table, tensors, and characters of a text.
MOST_SAMPLES = 8
MOST_PIXELS = 64
MOST_IDS = 48
MOST_COLUMNS = 24
MOST_PARTS = 8
MOST_LETTERS = 300


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images of one size, each as base64 of its bytes [height, width, channels]; channels is 1 or 3.

    `stretched` says that the values were no pixels: each channel runs from its lowest to its highest one.
    """

    width: int
    height: int
    channels: int
    stretched: bool
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """The first ids of one sample, and what they say ("" where nothing was found that can tell)."""

    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """One feature over the whole batch, and its values in the samples that are shown. NaN is `missing`."""

    number: int
    low: float
    mean: float
    deviation: float
    high: float
    missing: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor (or list of texts) of the batch, as `name` writes it, in the one form that fits it.

    `length` is how many ids a sequence has, `width` how many columns a table; more than are shown, perhaps.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    pictures: Pictures | None = None
    sequences: tuple[Sequence, ...] = ()
    length: int = 0
    columns: tuple[Column, ...] = ()
    width: int = 0
    # One for each sample that is shown; with the name of the class where the data set has them.
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts in order; `samples` is 0 where that cannot be told. `source` is "loader" or "call"."""

    source: str
    samples: int
    parts: tuple[Part, ...]
