"""Follows what a model gave, and the batch it was given, until the two are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from nnlint.capture import batch as batches_of
from nnlint.capture.criteria import LABELLED, LOSSES

# What only puts tensors beside each other: pictures and their reconstructions.
_BESIDE = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack"})
# Where numbers leave torch, for a metric of another library.
_LEAVING = frozenset({"numpy", "__array__", "tolist", "item", "__float__", "__int__", "__index__"})


class ComparedMode(TorchFunctionMode):
    """Knows of each tensor which parts of a batch, and which models' outputs, it comes from.

    Parts have numbers above zero; models have numbers below it, which the caller gives. `compared` has the
    models whose output met a part of the batch that was no model's input, or met the input in a loss (an
    autoencoder's); `measured` those whose output met something else in a loss, without gradients.
    """

    def __init__(self) -> None:
        super().__init__()
        # A mode cannot be left from within a call that it sees; it can be told to look away.
        self.on = False
        # The model that is being called: in it only a loss over labels counts, which it has been given.
        self.within = 0
        self.compared: set[int] = set()
        self.measured: set[int] = set()
        # The tensors are kept, so that their identities stay theirs.
        self._known: dict[int, tuple[torch.Tensor, frozenset[int]]] = {}
        self._inputs: set[int] = set()
        self._left: set[int] = set()
        self._parts = 0

    def clear(self) -> None:
        """Forget everything, and look away."""
        self.on = False
        self.compared.clear()
        self.measured.clear()
        self._known.clear()
        self._inputs.clear()
        self._left.clear()

    def given(self, batch: Any) -> None:
        """A loader has given this."""
        for tensor in batches_of.tensors(batch):
            self._parts += 1
            self._known[id(tensor)] = tensor, frozenset({self._parts})

    def called(self, model: int, arguments: Any, output: Any) -> None:
        """A model made this of its arguments."""
        models = {model}
        for tensor in batches_of.tensors(arguments):
            parts = self._parts_of(tensor)
            self._inputs |= {part for part in parts if part > 0}
            models |= _models(parts)
        for tensor in batches_of.tensors(output):
            self._known[id(tensor)] = tensor, frozenset(models)

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.on:
            return function(*args, **kwargs)
        result = function(*args, **kwargs)
        tensors = [*batches_of.tensors(args), *batches_of.tensors(kwargs)]
        if self.within:
            labelled = LOSSES.get(function) in LABELLED and len(tensors) > 1
            if labelled and self._parts_of(tensors[1]):
                self.compared.add(self.within)
            return result
        self._look(function, tensors)
        parts = frozenset[int]().union(*map(self._parts_of, tensors))
        if parts:
            for tensor in batches_of.tensors(result):
                self._known[id(tensor)] = tensor, parts
        return result

    def _parts_of(self, tensor: torch.Tensor) -> frozenset[int]:
        entry = self._known.get(id(tensor))
        return entry[1] if entry is not None else frozenset()

    def _look(self, function: Callable[..., Any], tensors: list[torch.Tensor]) -> None:
        name = getattr(function, "__name__", "")
        known = [self._parts_of(tensor) for tensor in tensors]
        together = frozenset[int]().union(*known)
        models = _models(together)
        loss = function in LOSSES
        if name in _LEAVING:
            self._left |= together
            # In a picture the input may stand beside the output; a target that leaves too is for a metric.
            if any(part > 0 for part in self._left - self._inputs):
                self.compared |= _models(self._left)
        elif models and name not in _BESIDE:
            others = [parts for parts in known if parts and not _models(parts)]
            if any(loss or name in ("sub", "rsub") or parts - self._inputs for parts in others):
                self.compared |= models
            strange = any(not parts and tensor.dim() for parts, tensor in zip(known, tensors, strict=True))
            same = len(tensors) == 2 and tensors[0].shape == tensors[1].shape and tensors[0].numel() > 1
            if strange and (loss or (name in ("eq", "__eq__") and same)) and not torch.is_grad_enabled():
                self.measured |= models


def _models(parts: frozenset[int] | set[int]) -> set[int]:
    return {part for part in parts if part < 0}
