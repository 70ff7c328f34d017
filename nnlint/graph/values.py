"""Which node of the graph a tensor's value is, at any moment: writes in place become values of their own.

Tensors are told apart by the address of what lies behind the Python object, and storages likewise; both are
held weakly, so that neither address is used anew, and no memory is kept. All views of one storage form a
tree. A write through one of them makes a new value of each tensor above it, up to the whole; the others are
taken again from there when they are next read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch.multiprocessing.reductions import StorageWeakRef

from nnlint.graph.views import Create, View, geometry


class _Storage:
    """A piece of memory: how often it was written to, and the values of the tensors that look at it."""

    __slots__ = ("_held", "values", "version")

    def __init__(self, held: StorageWeakRef | None) -> None:
        self._held = held
        self.version = 0
        self.values: list[_Value] = []


class _Value:
    """One tensor: the node that it was when its storage had `version`."""

    __slots__ = ("_held", "geometry", "node", "parent", "storage", "version", "view")

    def __init__(
        self, tensor: torch.Tensor, node: fx.Node, storage: _Storage, parent: _Value | None, view: View | None
    ) -> None:
        self._held = held_weakly(tensor)
        self.node = node
        self.storage = storage
        self.version = storage.version
        self.parent = parent
        self.view = view
        self.geometry = _geometry(tensor)
        storage.values.append(self)


class Values:
    """The tensors seen so far. `create` makes a call node; `unseen` one for a value that nobody can tell."""

    def __init__(self, create: Create, unseen: Callable[[torch.Tensor, str], fx.Node]) -> None:
        self._create = create
        self._unseen = unseen
        self._values: dict[int, _Value] = {}
        self._storages: dict[int, _Storage] = {}

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor, or what it is a view of, has a node."""
        return tensor._cdata in self._values or _key(tensor) in self._storages

    def new(self, tensor: torch.Tensor, node: fx.Node) -> None:
        """A tensor that shares no memory with another, or none that can be known."""
        self._values[tensor._cdata] = _Value(tensor, node, self._storage(tensor), None, None)

    def view(self, tensor: torch.Tensor, node: fx.Node, of: torch.Tensor, view: View) -> None:
        """A tensor that is a view of another one, which has been read before."""
        parent = self._values[of._cdata]
        self._values[tensor._cdata] = _Value(tensor, node, parent.storage, parent, view)

    def read(self, tensor: torch.Tensor) -> fx.Node | None:
        """The node that the tensor is now; None for one from elsewhere."""
        value = self._values.get(tensor._cdata)
        storage = self._storages.get(_key(tensor))
        # `x.data = y` puts other memory behind the same tensor.
        if value is None or (storage is not None and value.storage is not storage):
            value = self._alias(tensor, storage) if storage is not None else None
        return self._current(value, tensor) if value is not None else None

    def write(self, tensor: torch.Tensor, node: fx.Node) -> None:
        """The tensor, which has been read before, has become `node`."""
        value = self._values[tensor._cdata]
        storage = value.storage
        # What lies above must be as it was before this write.
        above = []
        step = value
        while step.parent is not None and step.view is not None:
            above.append((step.parent, step.view, self._current(step.parent, tensor)))
            step = step.parent
        storage.version += 1
        value.node, value.version = node, storage.version
        for parent, view, before in above:
            node = view.written(before, node, self._create)
            parent.node, parent.version = node, storage.version

    def _current(self, value: _Value, tensor: torch.Tensor) -> fx.Node:
        if value.version != value.storage.version:
            if value.parent is not None and value.view is not None:
                value.node = value.view.again(self._current(value.parent, tensor), self._create)
            else:
                value.node = self._unseen(tensor, "a write through memory that two tensors share")
            value.version = value.storage.version
        return value.node

    def _alias(self, tensor: torch.Tensor, storage: _Storage) -> _Value | None:
        """Another tensor for memory that is known: `x.data`, or a shallow copy within torch."""
        shape = _geometry(tensor)
        if shape is None or not storage.values:
            return None
        same = [value for value in storage.values if value.geometry == shape]
        # Of two that look alike, the one that gradients flow through as they do through the tensor.
        same.sort(key=lambda value: value.node.meta["grad"] == tensor.requires_grad)
        sizes, strides, offset, _ = shape
        if same:
            parent, view = same[-1], View(None, (), 0, None, shape, sizes)
        else:
            parent = storage.values[0]
            arguments = (None, list(sizes), list(strides), offset)
            base = parent.geometry[0] if parent.geometry else ()
            view = View(torch.ops.aten.as_strided.default, arguments, 0, None, shape, base)
        node = view.again(self._current(parent, tensor), self._create)
        if node.meta["grad"] and not tensor.requires_grad:
            node = self._create(torch.ops.aten.detach.default, (node,), sizes, tensor.dtype)
            node.meta["grad"] = False
            view = View(torch.ops.aten.detach.default, (None,), 0, None, shape, sizes) if same else view
        value = _Value(tensor, node, storage, parent, view)
        self._values[tensor._cdata] = value
        return value

    def _storage(self, tensor: torch.Tensor) -> _Storage:
        key = _key(tensor)
        if key == 0:
            return _Storage(None)
        if key not in self._storages:
            self._storages[key] = _Storage(
                StorageWeakRef(  # type: ignore[no-untyped-call]
                    tensor.untyped_storage()
                )
            )
        return self._storages[key]


def held_weakly(tensor: torch.Tensor) -> Any:
    """While this is kept, the address of what lies behind the tensor is not used anew."""
    return torch._C._WeakTensorRef(tensor)  # type: ignore[attr-defined]


def shares_memory(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors look at one storage, as far as that can be known."""
    key = _key(tensor)
    return key != 0 and key == _key(other)


def _key(tensor: torch.Tensor) -> int:
    """The address of the storage; 0 for a tensor without one: sparse, or of a class of its own."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return 0


def _geometry(tensor: torch.Tensor) -> Any:
    try:
        return geometry(tensor)
    except (NotImplementedError, RuntimeError):
        return None
