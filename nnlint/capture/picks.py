"""Some samples of a batch: the first few, or one in another's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from nnlint.capture import batch as batches_of

# The batch axis is the first one, or, with time first, the second.
_AXES = (0, 1)


def count(value: Any, hint: int = 0) -> int:
    """How many samples the batch has; 0 if that cannot be told.

    `hint` is what the loader was asked for: it decides where several axes could be the batch's.
    """
    graphs = graphs_of(value)
    if graphs is not None:
        return len(graphs)
    shapes = [tensor.shape for tensor in batches_of.tensors(value) if tensor.dim()]
    if not shapes:
        return hint if any(len(item) == hint for item in _lists(value)) else 0
    if hint and any(hint in shape[:2] for shape in shapes):
        return hint
    leading = Counter(shape[0] for shape in shapes)
    number, seen = leading.most_common(1)[0]
    if seen == len(shapes):
        return int(number)
    # With time first, the lengths differ and the second axes agree.
    shared = set.intersection(*(set(shape[:2]) for shape in shapes))
    return int(shared.pop()) if len(shared) == 1 else 0


def axis(tensor: torch.Tensor, samples: int) -> int | None:
    """The batch axis of one tensor of a batch of so many samples; None if it has none."""
    return next((dim for dim in _AXES if tensor.dim() > dim and tensor.shape[dim] == samples), None)


def pick(value: Any, index: torch.Tensor, samples: int) -> Any:
    """The batch made of the samples that `index` names, some of them more than once if it does.

    What has no batch axis is copied. Batches of PyTorch Geometric are picked graph by graph.
    """
    graphs = graphs_of(value)
    if graphs is not None:
        return type(value).from_data_list([graphs[int(at)].clone() for at in index])
    if isinstance(value, torch.Tensor):
        dim = axis(value, samples)
        chosen = value.detach().clone() if dim is None else value.detach().index_select(dim, index)
        return chosen.requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        # A list with an entry a sample (sentences, images of several sizes), not one with an entry a field.
        if len(value) == samples and samples > 2 and not _fields(value, samples):
            return type(value)(batches_of.held(value[int(at)]) for at in index)
        return type(value)(pick(item, index, samples) for item in value)
    if isinstance(value, Mapping):
        whole = batches_of.held(value)
        for key, item in value.items():
            whole[key] = pick(item, index, samples)
        return whole
    return batches_of.change(value, lambda tensor: pick(tensor, index, samples))


def graphs_of(value: Any) -> list[Any] | None:
    """The graphs of a batch of PyTorch Geometric; None of anything else."""
    if isinstance(value, torch.Tensor) or not callable(getattr(value, "to_data_list", None)):
        return None
    try:
        return list(value.to_data_list())
    except Exception:
        # A single graph, which was not made from a list.
        return None


def _fields(value: Any, samples: int) -> bool:
    """Whether each item holds something of every sample."""
    return all(isinstance(item, torch.Tensor) and axis(item, samples) is not None for item in value)


def _lists(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        yield value
        for item in value:
            yield from _lists(item)
