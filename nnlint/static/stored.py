"""What a data set's `__getitem__` takes out of its store: the stored object itself, or a copy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static.values import Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Operations that give another view of the same memory.
VIEWS = frozenset({
    "view", "squeeze", "unsqueeze", "transpose", "permute", "t", "from_numpy", "numpy", "data", "detach",
    "as_tensor",
    "numpy.asarray", "numpy.transpose", "numpy.squeeze", "numpy.expand_dims", "narrow", "select", "movedim",
    "getitem",
})  # fmt: skip
# What only arrays and tensors are given to; `torch.as_tensor` takes a number, too.
_ARRAY_ONLY = (VIEWS - {"getitem", "data", "as_tensor", "numpy.asarray"}) | {
    "reshape", "float", "long", "flip", "numpy.flip", "clone", "copy", "numpy.ascontiguousarray",
}  # fmt: skip
# Stores that hand out fresh objects: other data sets, tables, HDF5 and memory-mapped files.
_FRESH = re.compile(
    r"h5py|pandas|lmdb|zarr|datasets|dataset|sqlite|PIL|cv2|memmap|^\.read|open", re.IGNORECASE
)
_WRAPPED = re.compile(
    r"(?:^|[._])(?:\w*dataset|ds|base|source|df|frame|table|hf|h5\w*|store|db|loader)s?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Element:
    """One stored thing: `self.<attribute>[index]`, or a part of it."""

    root: Value  # what the attribute holds
    attribute: str
    depth: int  # how often an index is taken on the way

    @property
    def whole(self) -> bool:
        """Whether it is the container itself, not an element of it."""
        return not self.depth


def item_getter(frame: Frame) -> Value | None:
    """The data set whose `__getitem__` is being followed at this place."""
    for part in frame.chain():
        if part.kind == "function" and part.function is not None and part.function.name == "__getitem__":
            cls = part.function.cls
            if cls is None or not cls.is_dataset or part.value is None:
                return None
            return part.value.receiver
    return None


class Store:
    """What the data sets of one script hand out."""

    def __init__(self, script: ScriptModel) -> None:
        self._script = script
        # `x /= 255` leaves the object what it is.
        self._before = {id(fact.value): fact.target for fact in script.facts if fact.kind == "augmented"}

    def element(self, this: Value, value: Value) -> Element | None:
        """The stored thing that a value is a view of; None where it is a copy, or where that is not known."""
        taken = 0
        for _ in range(12):
            for key, held in this.attrs.items():
                if held is value:
                    return None if _fresh(key, held) else Element(held, key, taken)
                if held.element is value and value.kind in (Kind.MAPPING, Kind.SEQUENCE, Kind.TENSOR):
                    return Element(held, key, taken + 1)
            if value.op == "getitem":
                if value.kind is Kind.SEQUENCE or _many(value):
                    return None  # a slice of a list is another list; fancy indices copy
                taken += any(index.kind is not Kind.CONST for index in value.args[1:])
            below = self._below(value)
            if below is None:
                return None
            value = below
        return None

    def _below(self, value: Value) -> Value | None:
        """What shares its memory."""
        if id(value) in self._before:
            return self._before[id(value)]
        if value.alts or not value.args or value.op not in VIEWS:
            return None
        return value.args[0]

    def is_array(self, this: Value, found: Element, value: Value) -> bool:
        """Whether an element surely is an array or a tensor: nothing else is treated like this."""
        if found.root.kind is Kind.TENSOR:
            return True
        for call in self._script.calls:
            copies = call.op in {".copy", ".astype"}
            if not copies and call.op not in _ARRAY_ONLY:
                continue
            used = call.receiver if copies else call.input
            # The same element may be read anew: `x = self.images[i]` … `torch.from_numpy(self.images[i])`.
            if used is not None and call.frame is not None and item_getter(call.frame) is this:
                again = self.element(this, used)
                if again == found:
                    return True
            for _ in range(6):
                if used is None or used is value:
                    break
                used = self._below(used)
            if used is value:
                return True
        return False


def _fresh(name: str, held: Value) -> bool:
    """Whether the store makes a new object at each access."""
    if held.kind in (Kind.DATASET, Kind.INSTANCE) or "mmap_mode" in held.kwargs:
        return True
    return _FRESH.search(held.op) is not None or _WRAPPED.search(name) is not None


def _many(item: Value) -> bool:
    """Whether the index may pick several rows, so that NumPy and torch copy them."""
    return not all(
        index.kind in (Kind.CONST, Kind.NUMBER) or index.op in _ONE
        for given in item.args[1:]
        for index in given.alternatives()
    )


# Indices that are one number, or a slice.
_ONE = frozenset(
    {"param", "slice", "remainder", "floor_divide", "add", "sub", "getitem", "builtins.int", "index"}
)
