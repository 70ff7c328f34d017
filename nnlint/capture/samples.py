"""The tensors of a batch by name, what a loader was asked for, and a number to tell samples by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

# Not so small that samples could not differ.
_NUMBERS = (7, 11, 13, 5, 17, 19, 23, 29, 31, 37)


def named(value: Any, path: str = "batch") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a batch, each with how one would write it: `batch[0]`, `batch['labels']`, `batch.x`."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from named(item, f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        fields = getattr(value, "_fields", None)
        for number, item in enumerate(value):
            yield from named(item, f"{path}.{fields[number]}" if fields else f"{path}[{number}]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from named(getattr(value, field.name), f"{path}.{field.name}")
    elif callable(getattr(value, "to_dict", None)):
        for key, item in value.to_dict().items():
            yield from named(item, f"{path}.{key}")


def asked_for(loader: Any) -> int:
    """The loader's batch size; 0 if it has none."""
    sampler = getattr(loader, "batch_sampler", None)
    return getattr(loader, "batch_size", None) or getattr(sampler, "batch_size", None) or 0


def telling_number(samples: int, sizes: Iterable[int]) -> int:
    """At most so many samples, a number that is none of `sizes` and best divides none; 0 if there is none."""
    others = set(sizes)
    fitting = [number for number in _NUMBERS if number <= samples]
    for number in fitting:
        if all(size % number for size in others if size):
            return number
    return next((number for number in fitting if number not in others), 0)
