"""Which samples a loader can give, and whether another loader gives the same ones."""

from __future__ import annotations

import ast
import linecache
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from nnlint.capture import stored
from nnlint.capture.plan import Place
from nnlint.capture.prints import fingerprint
from nnlint.capture.watch import Watch, is_library
from nnlint.experiments.data import MOST_HELD_OUT, MOST_SAMPLES, SECONDS, Overlap

_ALL = (SequentialSampler, RandomSampler, WeightedRandomSampler)
# Two data sets are one if these many samples, spread over them, are stored alike.
_SAME = 7


def sampler_of(loader: DataLoader[Any]) -> Any:
    """What decides the order of the samples, also behind a batch sampler."""
    return getattr(getattr(loader, "batch_sampler", None), "sampler", loader.sampler)


def overlap(watch: Watch, training: DataLoader[Any], other: DataLoader[Any]) -> Overlap | None:
    """How many of the samples that `other` gives `training` gives as well; None if that cannot be told."""
    if other.dataset is None or not stored.is_map(other.dataset) or not stored.is_map(training.dataset):
        return None
    ours, theirs = _indices(training), _indices(other)
    if not ours or not theirs:
        return None
    where = (watch.built.get(other), watch.built.get(training))
    roots = _root(training.dataset), _root(other.dataset)
    if _one(*roots):
        mine = {stored.source(training.dataset, index)[1] for index in ours}
        rows = {stored.source(other.dataset, index)[1] for index in theirs}
        shared = len(mine & rows)
        names = names_of(other, where[0]) if shared else ()
        same = training.dataset is other.dataset and mine == rows
        return Overlap(names, *where, len(rows), shared, len(mine), 0.0, exact=True, same=same)
    deadline = time.perf_counter() + SECONDS
    held_out = _prints(other.dataset, theirs, MOST_HELD_OUT, deadline)
    known = _prints(training.dataset, ours, MOST_SAMPLES, deadline + SECONDS)
    if not held_out or not known:
        return None
    counts = Counter(known)
    repeated = sum(count for count in counts.values() if count > 1) / len(known)
    shared = sum(one in counts for one in held_out)
    names = names_of(other, where[0]) if shared else ()
    return Overlap(names, *where, len(held_out), shared, len(known), repeated, exact=False, same=False)


def _indices(loader: DataLoader[Any]) -> list[int]:
    """The indices that the loader can give; empty if its sampler does not tell."""
    sampler = sampler_of(loader)
    if isinstance(sampler, SubsetRandomSampler):
        return [int(index) for index in sampler.indices]
    return list(range(len(loader.dataset))) if type(sampler) in _ALL else []  # type: ignore[arg-type]


def _root(dataset: Any) -> Any:
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


def _one(first: Any, second: Any) -> bool:
    """Whether both are one data set, or hold the same data under, say, other transforms."""
    if first is second:
        return True
    if type(first) is not type(second) or len(first) != len(second) or len(first) < _SAME:
        return False
    found = 0
    for index in range(0, len(first), max(1, len(first) // _SAME)):
        mine, theirs = stored.elements(first, index), stored.elements(second, index)
        if mine.keys() != theirs.keys():
            return False
        for name, value in mine.items():
            one, other = fingerprint(value), fingerprint(theirs[name])
            if one is None or one != other:
                return False
            found += 1
    return found > 0


def _prints(dataset: Any, indices: list[int], most: int, deadline: float) -> list[bytes]:
    chosen = random.Random(0).sample(indices, most) if len(indices) > most else indices
    found = []
    for index in chosen:
        one = stored.read(dataset, index)
        if one is None:
            return []
        found.append(one)
        if time.perf_counter() > deadline:
            break
    return found


def names_of(wanted: Any, place: Place | None) -> tuple[str, ...]:
    """What the script calls an object: variables, attributes, keys, and the statement that has built it."""
    found = dict.fromkeys(_statement(place) if place else ())
    frame: FrameType | None = sys._getframe(1)
    seen: set[int] = set()
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            for space in (frame.f_locals, frame.f_globals):
                if id(space) not in seen:
                    seen.add(id(space))
                    found.update(dict.fromkeys(_within(dict(space), wanted)))
        frame = frame.f_back
    return tuple(found)


def _within(space: dict[str, Any], wanted: Any) -> Iterator[str]:
    for name, value in space.items():
        if value is wanted:
            yield name
            continue
        inner = value if type(value) is dict else None
        if inner is None and not isinstance(value, type) and not is_library(_file(type(value))):
            inner = getattr(value, "__dict__", None)
        for key, item in (inner or {}).items():
            if item is wanted and isinstance(key, str):
                yield key


def _file(kind: type) -> str:
    return str(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")


def _statement(place: Place) -> Iterator[str]:
    """The targets of the assignment on a line, and the function around it."""
    try:
        tree = ast.parse("".join(linecache.getlines(place.filename)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if getattr(node, "lineno", place.row + 1) <= place.row <= (getattr(node, "end_lineno", 0) or 0):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
                        yield ast.unparse(target)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name
