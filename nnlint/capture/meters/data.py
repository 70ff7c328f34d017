"""Looks at what the network gets, at the data set that it comes from, and at the loaders beside it."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, SequentialSampler

from nnlint.capture import stored
from nnlint.capture.inputs import FirstLayer
from nnlint.capture.meter import Meter
from nnlint.capture.prints import fingerprint, is_array
from nnlint.capture.rows import overlap, sampler_of
from nnlint.capture.watch import user_place
from nnlint.capture.workers import draw_alike
from nnlint.experiments.data import SECONDS, Data, Inputs, Mutation, Order, Overlap, Stream

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# So many samples are read thrice to see whether they stay what they are.
_REREAD = 3
# So many labels tell whether their order is a random one.
_LABELS = 400
_ROOTS = 8


class DataMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._loader: DataLoader[Any] | None = None
        self._roots: dict[torch.nn.Module, Inputs | None] = {}
        self._listening: FirstLayer | None = None

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if batches is not None:
            self._loader = batches.loader

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if root not in self._roots and len(self._roots) < _ROOTS and torch.is_grad_enabled():
            self._roots[root] = None
            self._listening = FirstLayer(root, user_place())

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self._listening is not None:
            self._roots[root] = self._listening.finish()
            self._listening = None

    def result(self) -> Data:
        inputs = tuple(given for given in self._roots.values() if given is not None)
        loader = self._loader
        if loader is None or not stored.is_map(loader.dataset):
            return Data(inputs, None, (), None, None)
        mutation = order = stream = None
        # A data set that cannot be read here, or holds what cannot be compared, is not judged.
        with contextlib.suppress(Exception):
            mutation = self._mutation(loader)
        with contextlib.suppress(Exception):
            order = self._order(loader)
        with contextlib.suppress(Exception):
            stream = self._stream(loader) if mutation is None else None
        return Data(inputs, mutation, tuple(self._overlaps(loader)), order, stream)

    def _mutation(self, loader: DataLoader[Any]) -> Mutation | None:
        dataset: Any = loader.dataset
        deadline = time.perf_counter() + SECONDS
        looked, found = 0, []
        for index in sorted({0, len(dataset) // 2, len(dataset) - 1})[:_REREAD]:
            looked += 1
            found += [(index, name) for name in _changing(dataset, index)][:1]
            if time.perf_counter() > deadline:
                break
        if not found:
            return None
        index, attribute = found[0]
        place = stored.changing_line(dataset, index, attribute) or stored.getter(dataset)
        name = type(stored.source(dataset, index)[0]).__name__
        return Mutation(name, attribute, place or self._built(loader), len(found), looked)

    def _overlaps(self, loader: DataLoader[Any]) -> Iterator[Overlap]:
        for other in self.runner.host.watch.living_loaders():
            if other is not loader:
                with contextlib.suppress(Exception):
                    found = overlap(self.runner.host.watch, loader, other)
                    if found is not None and found.shared:
                        yield found

    def _order(self, loader: DataLoader[Any]) -> Order | None:
        sampler = sampler_of(loader)
        if type(sampler) is not SequentialSampler:
            return None
        dataset: Any = loader.dataset
        size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", 0) or 0
        deadline = time.perf_counter() + SECONDS
        labels: list[int] = []
        for index in range(0, len(dataset), max(1, len(dataset) // _LABELS)):
            label = _label(dataset[index])
            if label is None or time.perf_counter() > deadline:
                return None
            labels.append(label)
        shares = [labels.count(label) / len(labels) for label in set(labels)]
        changes = sum(one != other for one, other in itertools.pairwise(labels))
        expected = (len(labels) - 1) * (1 - sum(share**2 for share in shares))
        counts = len(dataset), len(labels), len(shares), changes
        return Order(self._built(loader), type(sampler).__name__, size, *counts, expected)

    def _stream(self, loader: DataLoader[Any]) -> Stream | None:
        if not loader.num_workers or not draw_alike(loader, 0):
            return None
        dataset: Any = loader.dataset
        name = type(stored.source(dataset, 0)[0]).__name__
        initialised = loader.worker_init_fn is not None
        return Stream(name, stored.getter(dataset), self._built(loader), loader.num_workers, initialised)

    def _built(self, loader: DataLoader[Any]) -> Any:
        return self.runner.host.watch.built.get(loader)


def _changing(dataset: Any, index: int) -> list[str]:
    """What is stored for a sample and becomes another each time the sample, now another too, is read."""
    given, kept = [], []
    for _ in range(3):
        given.append(stored.read(dataset, index))
        kept.append({name: fingerprint(value) for name, value in stored.elements(dataset, index).items()})
    if None in given or given[0] == given[1] or given[1] == given[2]:
        return []
    # What the first reading has stored may be a cache.
    return [
        name
        for name, value in kept[0].items()
        if None not in (value, kept[1].get(name), kept[2].get(name))
        and value != kept[1][name]
        and kept[1][name] != kept[2][name]
    ]


def _label(sample: Any) -> int | None:
    """The class of a sample: the last thing in it, if that is one integer."""
    if isinstance(sample, dict):
        sample = list(sample.values())
    if not isinstance(sample, (list, tuple)) or len(sample) < 2:
        return None
    last = sample[-1]
    if isinstance(last, int):
        return int(last)
    if isinstance(last, torch.Tensor) and last.numel() == 1 and not last.is_floating_point():
        return int(last)
    if is_array(last) and last.size == 1 and last.dtype.kind in "iu":
        return int(last.reshape(()))
    return None
