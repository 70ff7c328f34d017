"""What the tensors of the script's modules are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from nnlint.graph.running import Running


@dataclass(frozen=True, slots=True)
class Name:
    """`kind` is "parameter" or "buffer"; `owner` the path of the module that has it, in `root`."""

    kind: str
    name: str
    owner: str
    root: int


class Names:
    """The parameters and buffers of all roots so far, by the address of what lies behind each."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._names: dict[int, Name] = {}
        self._roots = 0

    def of(self, tensor: torch.Tensor) -> Name | None:
        """None for a tensor that is no part of a module."""
        for number in range(self._roots, len(self._running.modules)):
            for kind, name, entry in _parts(self._running.modules[number]):
                found = Name(kind, name, name.rpartition(".")[0], number)
                self._names.setdefault(entry._cdata, found)
        self._roots = len(self._running.modules)
        known = self._names.get(tensor._cdata)
        if known is None and isinstance(tensor, nn.Parameter):
            # Of a module that none of the roots knows.
            root, path, _ = self._running.innermost
            known = Name("parameter", "", path, root)
        return known


def _parts(root: nn.Module) -> Iterator[tuple[str, str, torch.Tensor]]:
    for name, parameter in root.named_parameters(remove_duplicate=False):
        yield "parameter", name, parameter
    for name, buffer in root.named_buffers(remove_duplicate=False):
        yield "buffer", name, buffer
