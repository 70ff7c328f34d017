"""Data sets: reading one sample under one random state, and what is stored for it."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, Subset

from nnlint.capture.plan import Place
from nnlint.capture.prints import fingerprint, is_array
from nnlint.capture.watch import is_library

# What is not stored sample by sample is compared whole up to this many bytes.
_WHOLE = 1 << 22
_DEPTH = 3
_SEED = 20_011


def is_map(dataset: Any) -> bool:
    """Whether its samples are read by number."""
    return (
        not isinstance(dataset, IterableDataset)
        and hasattr(type(dataset), "__getitem__")
        and hasattr(type(dataset), "__len__")
        and not isinstance(dataset, Mapping)
    )


@contextlib.contextmanager
def seeded(seed: int = _SEED) -> Iterator[None]:
    """Draws of torch, random and NumPy begin with `seed` inside, and are as if nothing was drawn after."""
    numpy = sys.modules.get("numpy")
    states = torch.get_rng_state(), random.getstate(), numpy.random.get_state() if numpy else None
    seed_all(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        if numpy:
            numpy.random.set_state(states[2])


def seed_all(seed: int) -> None:
    """As a loader seeds a worker."""
    torch.manual_seed(seed)
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)


def read(dataset: Any, index: int) -> bytes | None:
    """The fingerprint of a sample, read under the same random state each time."""
    with seeded():
        return fingerprint(dataset[index])


def source(dataset: Any, index: int) -> tuple[Any, int]:
    """The data set and the index behind subsets of subsets."""
    while isinstance(dataset, Subset):
        dataset, index = dataset.dataset, int(dataset.indices[index])
    return dataset, index


def elements(dataset: Any, index: int) -> dict[str, Any]:
    """What the attributes of a data set hold for one sample, by how one would write it.

    Where an attribute has as many items as there are samples, it is the item; small arrays of another
    length are taken whole.
    """
    dataset, index = source(dataset, index)
    return dict(_elements(vars(dataset), len(dataset), index, "self", _DEPTH))


def _elements(
    attributes: Mapping[str, Any], samples: int, index: int, path: str, depth: int
) -> Iterator[tuple[str, Any]]:
    for name, value in attributes.items():
        place = f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]"
        if isinstance(value, torch.Tensor) or is_array(value):
            size = value.shape[0] if len(value.shape) else 0
            if size == samples:
                yield place, value[index]
            elif value.nbytes <= _WHOLE:
                yield place, value
        elif isinstance(value, list) and len(value) == samples:
            yield place, value[index]
        elif isinstance(value, Mapping) and depth:
            named = {str(key): item for key, item in value.items() if isinstance(key, str)}
            yield from _elements(named, samples, index, place, depth - 1)
        elif isinstance(value, tuple) and depth and len(value) < 16:
            numbered = {str(number): item for number, item in enumerate(value)}
            yield from _elements(numbered, samples, index, place, depth - 1)
        elif hasattr(value, "iloc") and len(value) == samples:
            yield place, value.iloc[index].tolist() if hasattr(value.iloc[index], "tolist") else None
        elif depth and _holds(value, samples):
            inner, at = source(value, index)
            yield from _elements(vars(inner), len(inner), at, place, depth - 1)


def _holds(value: Any, samples: int) -> bool:
    return isinstance(value, Dataset) and is_map(value) and len(value) == samples  # type: ignore[arg-type]


def getter(dataset: Any) -> Place | None:
    """Where the class of a data set says how a sample is read, if that is the user's."""
    dataset = source(dataset, 0)[0]
    code = getattr(getattr(type(dataset), "__getitem__", None), "__code__", None)
    if code is None or is_library(code.co_filename) or code.co_filename.startswith("<"):
        return None
    return Place(code.co_filename, code.co_firstlineno)


def changing_line(dataset: Any, index: int, attribute: str) -> Place | None:
    """The user's line after which the stored element is another, found by reading the sample line by line."""

    def look() -> bytes | None:
        return fingerprint(elements(dataset, index).get(attribute))

    before = look()
    last: dict[FrameType, Place] = {}
    found: list[Place] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if name.startswith("<") or is_library(name):
            return None
        if event in ("line", "return") and frame in last and not found and look() != before:
            found.append(last[frame])
        last[frame] = Place(name, frame.f_lineno)
        return trace

    tracing = sys.gettrace()
    sys.settrace(trace)
    try:
        read(dataset, index)
    finally:
        sys.settrace(tracing)
    return found[0] if found else None
