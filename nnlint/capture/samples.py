"""The samples of a batch: how many there are, along which axes they stand, and a batch with fewer of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from nnlint.capture import batch as batches_of

# A size that no other axis has tells the batch axis apart; not so small that samples could not differ.
_SIZES = (7, 11, 13, 5, 17, 19, 23, 29, 31, 37)


def count(loader: Any, batch: Any) -> int:
    """How many samples the batch holds; 0 if that cannot be told."""
    tensors = [tensor for tensor in batches_of.tensors(batch) if tensor.dim()]
    sampler = getattr(loader, "batch_sampler", None)
    asked = getattr(loader, "batch_size", None) or getattr(sampler, "batch_size", None) or 0
    if asked and any(asked in tensor.shape for tensor in tensors):
        return int(asked)
    sizes = {tensor.shape[0] for tensor in tensors}
    return sizes.pop() if len(sizes) == 1 else 0


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


def cut(batch: Any, samples: int, to: int) -> Any | None:
    """A copy of the batch with its first `to` samples; None if a tensor has no axis of samples."""
    tensors = list(batches_of.tensors(batch))
    if any(samples not in tensor.shape for tensor in tensors if tensor.dim()):
        return None

    def shorten(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.dim():
            return tensor.detach().clone()
        axis = tuple(tensor.shape).index(samples)
        return tensor.detach().narrow(axis, 0, to).clone().requires_grad_(tensor.requires_grad)

    return batches_of.change(_shortened(batch, samples, to), shorten)


def _shortened(value: Any, samples: int, to: int) -> Any:
    """Lists with an entry for each sample (texts, paths) have as many entries as there are samples left."""
    if isinstance(value, dict):
        return {key: _shortened(item, samples, to) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        if len(value) == samples and not any(isinstance(item, torch.Tensor) for item in value):
            return value[:to]
        return type(value)(_shortened(item, samples, to) for item in value)
    return value


def telling_size(samples: int, others: Iterable[int]) -> int:
    """A number of samples that is none of the sizes in `others`, nor divides one; 0 if there is none."""
    sizes = set(others)
    fitting = [size for size in _SIZES if size <= samples]
    for size in fitting:
        if all(other % size for other in sizes if other):
            return size
    return next((size for size in fitting if size not in sizes), 0)
