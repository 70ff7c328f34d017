"""What a loader's batch holds: the data set's samples, with the batch axis before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.static import torch_api
from nnlint.static.arguments import argument, constant
from nnlint.static.arrays import content
from nnlint.static.axes import Axis, Shape
from nnlint.static.images import HELD, image_of
from nnlint.static.splits import dataset_of, whole
from nnlint.static.values import Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.shapes import Shapes

# Data sets of torchvision that give (image, class number).
LABELLED = frozenset(
    f"torchvision.datasets.{name}"
    for name in (
        "MNIST",
        "FashionMNIST",
        "KMNIST",
        "QMNIST",
        "CIFAR10",
        "CIFAR100",
        "SVHN",
        "STL10",
        "ImageFolder",
    )
)


class Samples:
    """The samples of one script's data sets."""

    def __init__(self, facts: list[Fact]) -> None:
        self._returns: dict[int, list[Value]] = {}  # id(__getitem__) -> what it returned
        self._read_on: dict[int, Value] = {}  # id(__getitem__) -> the data set it was read on
        self._given_back: dict[int, list[Value]] = {}  # id(function) -> what it returned
        for fact in facts:
            if fact.kind == "return":
                functions = fact.frame.functions()
                if functions:
                    self._given_back.setdefault(id(functions[0]), []).append(fact.value)
                if functions and functions[0].name == "__getitem__" and functions[0].cls is not None:
                    self._returns.setdefault(id(functions[0]), []).append(fact.value)
                    call = next(frame.value for frame in fact.frame.chain() if frame.function is not None)
                    if call is not None and call.receiver is not None:
                        self._read_on[id(functions[0])] = call.receiver

    def padded(self, item: Value) -> bool:
        """Whether a `collate_fn` of this file pads or stacks the samples along axis 0 of this member."""
        loader = item.args[0].args[0] if item.op == "batch_item" and item.args and item.args[0].args else None
        collate = argument(loader, "collate_fn") if loader is not None and not loader.alts else None
        made = self._given_back.get(id(collate.function), []) if collate is not None else []
        parts = [value.args[item.const] for value in made if _has(value, item.const)]
        return bool(made) and len(parts) == len(made) and all(_leads(part) for part in parts)

    def in_batch(self, shapes: Shapes, item: Value) -> Shape | None:
        """The axes of a member of a batch."""
        lead = batch_axis(item)
        loader = item.args[0].args[0] if lead is not None else None
        dataset = dataset_of(loader)
        if lead is None or dataset is None:
            return None
        sample = self.sample(shapes, dataset, item.const)
        return (lead, *sample) if sample is not None else None

    def sample(self, shapes: Shapes, dataset: Value, key: object) -> Shape | None:
        """The axes of one member of a data set's samples."""
        dataset = whole(dataset)
        if dataset.alts:
            found = {self.sample(shapes, part, key) for part in dataset.alternatives()}
            return found.pop() if len(found) == 1 else None
        if dataset.op == "torch.utils.data.TensorDataset" and type(key) is int and key < len(dataset.args):
            shape = shapes.of(dataset.args[key])
            return shape[1:] if shape else None
        if dataset.op in HELD and key == 0:
            return image_of(dataset)
        if dataset.op in LABELLED and key == 1 and argument(dataset, "target_transform") is None:
            return ()
        if dataset.cls is None:
            return None
        method = dataset.cls.method("__getitem__")
        read = self._read_on.get(id(method))
        if read is not dataset and (read is None or not _alike(shapes, read, dataset)):
            return None
        found = {self._member(shapes, value, key) for value in self._returns.get(id(method), ())}
        return found.pop() if len(found) == 1 else None

    def _member(self, shapes: Shapes, value: Value, key: object) -> Shape | None:
        if value.alts:
            found = {self._member(shapes, part, key) for part in value.alternatives()}
            return found.pop() if len(found) == 1 else None
        if value.kind is Kind.SEQUENCE and value.element is None and type(key) is int:
            return content(shapes, value.args[key]) if -len(value.args) <= key < len(value.args) else None
        if value.kind is Kind.MAPPING and isinstance(key, str) and key in value.attrs:
            return content(shapes, value.attrs[key])
        return None


def _alike(shapes: Shapes, first: Value, second: Value) -> bool:
    """Whether two data sets of one class hold arrays with as many axes each."""
    for name in first.attrs.keys() | second.attrs.keys():
        pair = [content(shapes, held.attrs[name]) for held in (first, second) if name in held.attrs]
        ranks = {len(shape) if shape is not None else None for shape in pair}
        if len(pair) == 2 and len(ranks) != 1:
            return False
    return True


def _has(value: Value, place: object) -> bool:
    return value.kind is Kind.SEQUENCE and type(place) is int and place < len(value.args)


def _leads(value: Value) -> bool:
    """Whether samples are put together so that axis 0 is the batch."""
    if value.op == "torch.nn.utils.rnn.pad_sequence":
        return constant(value, "batch_first", False) is True
    return value.op == "stack" and constant(value, "dim", 0) == 0


def batch_axis(item: Value) -> Axis | None:
    """The axis over the samples of a batch: `()` for batches of one; None where samples come as they are."""
    if item.op != "batch_item" or not item.args or not item.args[0].args:
        return None
    batch = item.args[0]
    loader = batch.args[0]
    if not torch_api.is_loader(loader.op) or loader.op != "torch.utils.data.DataLoader" or loader.alts:
        return None
    collate = argument(loader, "collate_fn")
    if (collate is not None and not collate.is_const(None)) or "**" in loader.kwargs:
        return None
    size = constant(loader, "batch_size", 1)
    if argument(loader, "batch_sampler") is not None:
        size = ...
    if size is None:
        return None
    return () if size == 1 else (("batch", id(batch)),)
