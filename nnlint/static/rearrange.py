"""The shapes that come out of operations which move, merge or cut axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from nnlint.static.arguments import argument, constant
from nnlint.static.axes import Axis, Shape, divide, flat
from nnlint.static.values import Kind, Value

Of: TypeAlias = Callable[[Value], "Shape | None"]


def fresh(value: Value, position: int) -> Axis:
    """An axis of `value` that nothing names."""
    return (("axis", id(value), position),)


def argument_of(value: Value, name: str, position: int) -> Value | None:
    """An argument by name, or by position where the operation's signature is not on record."""
    found = argument(value, name)
    return found if found is not None or len(value.args) <= position else value.args[position]


def window(value: Value, place: int, dimensions: int, axis: Axis) -> Axis | None:
    """A spatial axis after a convolution or pooling; None where it cannot be told."""
    if "transpose" in value.op or (value.receiver is None and value.op.startswith("conv")):
        return None
    made = value.receiver or value
    given: dict[str, int] = {}
    for name, default in (("kernel_size", ...), ("stride", None), ("padding", 0), ("dilation", 1)):
        found = argument(value, name)
        many = found is not None and found.kind is Kind.SEQUENCE and len(found.args) == dimensions
        number = (
            default
            if found is None
            else found.args[place].const
            if found is not None and many
            else found.const
        )
        if found is not None and found.kind is not Kind.CONST and not many:
            return None
        if number is None and name == "stride":
            number = 1 if value.op.startswith("conv") else given["kernel_size"]
        if type(number) is not int:
            return None
        given[name] = number
    if any(name in made.kwargs for name in ("ceil_mode", "**")) or any(arg.op == "star" for arg in made.args):
        return None
    if not value.op.startswith("conv") and len(made.args) > 3 + (value.receiver is None):
        return None  # ceil_mode and more, by position
    extent = given["dilation"] * (given["kernel_size"] - 1) + 1
    if given["stride"] == 1 and extent == 2 * given["padding"] + 1:
        return axis
    if len(axis) != 1 or not isinstance(axis[0], int):
        return None
    size = (axis[0] + 2 * given["padding"] - extent) // given["stride"] + 1
    return () if size == 1 else (size,) if size > 1 else None


def flatten(of: Of, value: Value) -> Shape | None:
    shape = of(value.args[0])
    default = 1 if value.receiver is not None else 0
    start, end = constant(value, "start_dim", default), constant(value, "end_dim", -1)
    if shape is None or type(start) is not int or type(end) is not int or not shape:
        return None
    start, end = start % len(shape), end % len(shape)
    return (*shape[:start], flat(shape[start : end + 1]), *shape[end + 1 :])


def transpose(of: Of, value: Value) -> Shape | None:
    shape = of(value.args[0])
    if shape is None or len(value.args) != 3:
        return None
    first, second = value.args[1].const, value.args[2].const
    if not all(type(d) is int and -len(shape) <= d < len(shape) for d in (first, second)):
        return None
    axes = list(shape)
    axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def t(of: Of, value: Value) -> Shape | None:
    shape = of(value.args[0])
    return shape[::-1] if shape is not None and len(shape) == 2 else None


def permute(of: Of, value: Value) -> Shape | None:
    shape = of(value.args[0])
    order = (
        value.args[1].args if len(value.args) == 2 and value.args[1].kind is Kind.SEQUENCE else value.args[1:]
    )
    if shape is None or not all(type(d.const) is int for d in order) or len(order) != len(shape):
        return None
    return tuple(shape[d.const % len(shape)] for d in order)


def squeeze(of: Of, value: Value) -> Shape | None:
    shape, dim = of(value.args[0]), constant(value, "dim")
    if shape is None:
        return None
    if dim is None and all(not axis or is_long(axis) for axis in shape):
        return tuple(axis for axis in shape if axis)
    if type(dim) is not int or not -len(shape) <= dim < len(shape):
        return None
    if is_long(shape[dim]):
        return shape
    return tuple(axis for i, axis in enumerate(shape) if i != dim % len(shape)) if shape[dim] == () else None


def unsqueeze(of: Of, value: Value) -> Shape | None:
    shape, dim = of(value.args[0]), constant(value, "dim")
    if shape is None or type(dim) is not int or not -len(shape) - 1 <= dim <= len(shape):
        return None
    place = dim % (len(shape) + 1)
    return (*shape[:place], (), *shape[place:])


def matmul(of: Of, value: Value) -> Shape | None:
    first, second = of(value.args[0]), of(value.args[-1])
    if first is None or second is None or len(first) != len(second) or len(first) < 2:
        return None
    return (*first[:-1], second[-1])


def attention(of: Of, value: Value) -> Shape | None:
    query = of(value.args[0])
    return query if query is not None and len(query) >= 3 else None


def part(of: Of, value: Value) -> Shape | None:
    if value.const == "unbind":
        whole, given = of(value.args[0]), argument_of(value, "dim", 1)
        gone = 0 if given is None else given.const
        if whole is None or type(gone) is not int or not -len(whole) <= gone < len(whole):
            return None
        return tuple(axis for i, axis in enumerate(whole) if i != gone % len(whole))
    shape, dim = of(value.args[0]), argument_of(value, "dim", 2)
    place = 0 if dim is None else dim.const
    if (
        shape is None
        or type(place) is not int
        or not -len(shape) <= place < len(shape)
        or len(value.args) < 2
    ):
        return None
    axes, count = list(shape), value.args[1]
    divided = divide(axes[place], (count.const,)) if type(count.const) is int and count.const > 1 else ()
    exact = divided and not any(isinstance(f, tuple) and f[0] == "//" for f in divided)
    axes[place] = (
        divided if exact and value.const == "chunk" else fresh(value.receiver or value, place % len(shape))
    )
    return tuple(axes)


def is_long(axis: Axis) -> bool:
    """Whether an axis surely is longer than 1 (all but a last batch)."""
    return any(isinstance(factor, int) or factor[0] == "batch" for factor in axis)


def is_index(value: Value) -> bool:
    """Whether it is one whole number, not a slice or a list of them."""
    return value.kind is Kind.NUMBER or (value.kind is Kind.CONST and type(value.const) is int)


def cut(axis: Axis, index: Value, value: Value, position: int) -> Axis:
    """What a slice leaves of an axis."""
    if all(part.is_const(None) for part in index.args):
        return axis
    if not all(part.kind is Kind.CONST for part in index.args):
        return fresh(value, position)
    start, stop, step = (part.const for part in index.args)
    if step is None and ((start in (None, 0) and stop == 1) or (start == -1 and stop is None)):
        return ()
    whole = axis[0] if len(axis) == 1 else None
    if isinstance(whole, int):
        left = len(range(whole)[start:stop:step])
        return () if left == 1 else (left,) if left else fresh(value, position)
    return fresh(value, position)


def getitem(of: Of, value: Value) -> Shape | None:
    shape = of(value.args[0])
    if shape is None:
        return None
    axes: list[Axis] = []
    left = list(shape)
    for position, index in enumerate(value.args[1:]):
        if index.is_const(None):
            axes.append(())
        elif index.op == "slice":
            if not left:
                return None
            axis = left.pop(0)
            axes.append(cut(axis, index, value, position))
        elif is_index(index) and left:
            left.pop(0)
        elif left and len(of(index) or ()) == 1:
            left.pop(0)
            axes.append(fresh(value, position))
        else:
            return None
    return (*axes, *left)


HANDLERS: dict[str, Callable[[Of, Value], Shape | None]] = {
    "flatten": flatten,
    "transpose": transpose,
    "t": t,
    "permute": permute,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "matmul": matmul,
    "scaled_dot_product_attention": attention,
    "part": part,
    "getitem": getitem,
}
