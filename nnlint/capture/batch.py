"""Batches of any nesting: reading them, describing them, and changing the tensors in them."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in the batch, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors(getattr(value, field.name))
    elif callable(getattr(value, "to_dict", None)):
        yield from tensors(value.to_dict())


def change(value: Any, how: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of the batch in which `how` was applied to every tensor; everything else is copied deeply."""
    if isinstance(value, torch.Tensor):
        return how(value)
    if isinstance(value, (str, bytes, int, float, type(None))):
        return value
    copied: Any
    if isinstance(value, Mapping):
        copied = copy.copy(value)
        for key, item in value.items():
            copied[key] = change(item, how)
        return copied
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(change(item, how) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(change(item, how) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        copied = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(copied, field.name, change(getattr(value, field.name), how))
        return copied
    # The batches of PyTorch Geometric, DGL and the like apply a function to their tensors themselves.
    if callable(getattr(value, "apply", None)) and callable(getattr(value, "clone", None)):
        return value.clone().apply(how)
    return copy.deepcopy(value)


def held(value: Any) -> Any:
    """A copy that the script may change as it likes."""
    return change(value, lambda tensor: tensor.detach().clone().requires_grad_(tensor.requires_grad))


def zeroed(value: Any) -> Any:
    """The batch with its first tensor, the input, set to zero."""
    seen = 0

    def zero(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += 1
        return torch.zeros_like(tensor) if seen == 1 else tensor.detach().clone()

    return change(value, zero)


def describe(value: Any, depth: int = 3) -> str:
    """A readable form: `(Tensor[64, 1, 28, 28] float32, Tensor[64] int64)`."""
    if isinstance(value, torch.Tensor):
        return f"Tensor{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if depth == 0:
        return type(value).__name__
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {describe(item, depth - 1)}" for key, item in list(value.items())[:8])
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(describe(item, depth - 1) for item in value[:8])})"
    if fields := _fields(value):
        inner = ", ".join(f"{name}={describe(item, depth - 1)}" for name, item in list(fields.items())[:8])
        return f"{type(value).__name__}({inner})"
    return type(value).__name__


def _fields(value: Any) -> dict[str, Any]:
    """What a data class holds, or a batch of PyTorch Geometric and the like."""
    # Both may be anybody's: fields that were never set, a `to_dict` that wants something.
    with contextlib.suppress(Exception):
        if isinstance(value, type):
            return {}
        if dataclasses.is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if callable(getattr(value, "to_dict", None)) and any(True for _ in tensors(value)):
            return {str(name): item for name, item in value.to_dict().items()}
    return {}
