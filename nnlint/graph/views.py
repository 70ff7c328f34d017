"""Views of a tensor: how to take the same one again, and what a write through it makes of the tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten

Geometry = tuple[tuple[int, ...], tuple[int, ...], int, torch.dtype]
# Makes a call node of an operator, its arguments, and the sizes and type of its only result.
Create = Callable[[Any, tuple[Any, ...], tuple[int, ...], torch.dtype], fx.Node]


def geometry(tensor: torch.Tensor) -> Geometry:
    """Sizes, strides, offset and type: what tells two views of one storage apart."""
    return tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset()), tensor.dtype


def stays(
    tensor: torch.Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> bool:
    """Whether each element of a tensor keeps its place under other strides: pooling writes them anew."""
    same = storage_offset in (None, tensor.storage_offset()) and tuple(size) == tuple(tensor.shape)
    return same and all(
        old == new or length == 1 for old, new, length in zip(tensor.stride(), stride, size, strict=True)
    )


@dataclass(frozen=True, slots=True)
class View:
    """One call of a view operator on the tensor at argument number `base`; `output` of several.

    `function` is None for another tensor of the same geometry. `shape` and `base_shape` are those of the view
    and of the tensor that it is a view of; `offset` is where the view starts along a split axis.
    """

    function: Any
    arguments: tuple[Any, ...]
    base: int
    output: int | None
    shape: Geometry
    base_shape: tuple[int, ...]
    offset: int = 0

    def again(self, parent: fx.Node, create: Create) -> fx.Node:
        """The same view of what `parent` is now."""
        sizes, _, _, dtype = self.shape
        function, rest = self.function, self.arguments[1:]
        if function is None:
            return parent
        if self.output is None:
            arguments = (*self.arguments[: self.base], parent, *self.arguments[self.base + 1 :])
        elif _name(function) == "unbind":
            function, arguments = aten.select.int, (parent, rest[0] if rest else 0, self.output)
        elif _name(function) in _SPLITS:
            axis = rest[1] if len(rest) > 1 else 0
            function, arguments = aten.slice.Tensor, (parent, axis, self.offset, self.offset + sizes[axis])
        else:
            function, arguments = aten.as_strided.default, (parent, *self._strided)
        return create(function, arguments, sizes, dtype)

    def written(self, parent: fx.Node, value: fx.Node, create: Create) -> fx.Node:
        """`parent` with the part that this view shows replaced by `value`."""
        if self.function is None:
            return value
        name = _name(self.function)
        rest = self.arguments[1:]
        sizes, _, _, dtype = self.shape

        def made(function: Any, *arguments: Any) -> fx.Node:
            return create(function, arguments, self.base_shape, dtype)

        if name in _SAME:
            return value
        if name == "select":
            return made(aten.select_scatter.default, parent, value, *rest)
        if name == "slice":
            return made(aten.slice_scatter.default, parent, value, *rest)
        if name == "diagonal":
            return made(aten.diagonal_scatter.default, parent, value, *rest)
        if name == "unbind":
            return made(aten.select_scatter.default, parent, value, rest[0] if rest else 0, self.output)
        if name in _SPLITS:
            axis = rest[1] if len(rest) > 1 else 0
            end = self.offset + sizes[axis]
            return made(aten.slice_scatter.default, parent, value, axis, self.offset, end)
        if name == "t":
            return made(aten.t.default, value)
        if name in ("transpose", "swapaxes"):
            return made(aten.transpose.int, value, *rest)
        if name == "permute":
            order = [axis % len(rest[0]) for axis in rest[0]]
            return made(aten.permute.default, value, [order.index(axis) for axis in range(len(order))])
        if name in _REGROUPED:
            return made(aten.view.default, value, list(self.base_shape))
        return made(aten.as_strided_scatter.default, parent, value, *self._strided)

    @property
    def _strided(self) -> tuple[list[int], list[int], int]:
        sizes, strides, offset, _ = self.shape
        return list(sizes), list(strides), offset


_SPLITS = frozenset({"split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"})
_SAME = frozenset({"alias", "detach", "lift_fresh"})
_REGROUPED = frozenset({"view", "_unsafe_view", "_reshape_alias", "squeeze", "unsqueeze"})


def _name(function: Any) -> str:
    """`transpose` for `aten.transpose.int` and for `aten.transpose_.default`."""
    schema = getattr(function, "_schema", None)
    return str(schema.name).rpartition("::")[2].rstrip("_") if schema else str(function)


def split_offset(function: Any, arguments: tuple[Any, ...], output: int) -> int:
    """Where the part numbered `output` starts along the axis that is split; 0 for other views."""
    if _name(function) not in _SPLITS:
        return 0
    sizes = arguments[1]
    return output * int(sizes) if isinstance(sizes, int) else sum(int(size) for size in sizes[:output])
