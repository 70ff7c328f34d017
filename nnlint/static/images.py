"""The sizes of images: what torchvision's data sets hold and what their transforms make of it."""

from __future__ import annotations

from nnlint.static.arguments import argument
from nnlint.static.axes import Axis, Shape
from nnlint.static.transforms import name_of_step, steps_of, transform_of
from nnlint.static.values import Kind, Value

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
HELD = {
    f"torchvision.datasets.{name}": size
    for names, size in (
        (("MNIST", "FashionMNIST", "KMNIST", "QMNIST"), GREY),
        (("CIFAR10", "CIFAR100", "SVHN"), COLOUR),
        (("STL10",), (3, 96, 96)),
    )
    for name in names
}
# Steps that keep the size.
KEEP = frozenset({
    "ToTensor", "PILToTensor", "ToImage", "ToDtype", "ConvertImageDtype", "Normalize", "RandomHorizontalFlip",
    "RandomVerticalFlip", "ColorJitter", "RandomAffine", "RandomErasing", "AutoAugment", "RandAugment",
    "TrivialAugmentWide", "GaussianBlur", "RandomAutocontrast", "RandomInvert",
})  # fmt: skip
RESIZE = frozenset({"Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop"})


def image_of(dataset: Value) -> Shape | None:
    """The axes of one image of a data set; None where a step may do anything."""
    held = HELD.get(dataset.op)
    steps = steps_of(transform_of(dataset))
    if held is None or steps is None or "transforms" in dataset.kwargs:
        return None
    channels, height, width = held
    tensor = False
    for step in steps:
        name = name_of_step(step)
        tensor = tensor or name in {"ToTensor", "PILToTensor", "ToImage"}
        if name in RESIZE:
            size = _size(step)
            if size is None:
                return None
            height, width = size
        elif name == "Grayscale":
            given = argument(step, "num_output_channels") or (step.args[0] if step.args else None)
            channels = 1 if given is None else given.const
        elif name not in KEEP:
            return None
    if not tensor or type(channels) is not int:
        return None
    return tuple(_axis(number) for number in (channels, height, width))


def _size(step: Value) -> tuple[int, int] | None:
    """The height and width that a step is asked for; images here are square."""
    given = step.args[0] if step.args else step.kwargs.get("size")
    if given is None:
        return None
    parts = [part.const for part in given.args] if given.kind is Kind.SEQUENCE else [given.const] * 2
    return (parts[0], parts[1]) if len(parts) == 2 and all(type(part) is int for part in parts) else None


def _axis(number: int) -> Axis:
    return () if number == 1 else (number,)
