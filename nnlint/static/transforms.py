"""torchvision's transforms: the steps of a `Compose`, and which of them are random."""

from __future__ import annotations

import re

import libcst as cst

from nnlint.static.arguments import argument
from nnlint.static.values import Kind, Value

PREFIX = re.compile(r"^torchvision\.transforms\.(?:v2\.|transforms\.)?")
RANDOM = re.compile(
    r"^(?:Random(?!Order$|Choice$|Apply$)\w+|ColorJitter|AutoAugment|TrivialAugmentWide|AugMix"
    r"|ElasticTransform|RandAugment)$"
)
_RANDOMNESS = re.compile(r"\brandom\.\w+\(|torch\.rand\w*\(|\brand(?:int|n|om)?\(|\bRandom[A-Z]\w+\(")

# What expects pixel values: 0 to 255, or 0 to 1 for floats.
PIXELS = frozenset({
    "ColorJitter", "RandomPosterize", "RandomSolarize", "RandomEqualize", "RandomAutocontrast", "AutoAugment",
    "RandAugment", "TrivialAugmentWide", "AugMix", "RandomAdjustSharpness", "RandomPhotometricDistort",
})  # fmt: skip
TENSORS = frozenset({"ToTensor", "ConvertImageDtype", "ToDtype"})


def name_of_step(step: Value) -> str:
    """`ColorJitter` for `torchvision.transforms.v2.ColorJitter(…)`; "" for what is not torchvision's."""
    found = PREFIX.match(step.op)
    return step.op[found.end() :] if found else ""


def steps_of(transform: Value | None) -> list[Value] | None:
    """The steps of a transform in order; None where it is not one of torchvision's, or not seen whole."""
    if transform is None or transform.alts:
        return None
    name = name_of_step(transform)
    if not name or not name[:1].isupper():
        return None
    if name != "Compose":
        return [transform]
    items = transform.args[0] if transform.args else transform.kwargs.get("transforms")
    if items is None or items.kind is not Kind.SEQUENCE or items.element is not None or items.op != "list":
        return None
    found: list[Value] = []
    for item in items.args:
        if name_of_step(item) == "Compose":
            inner = steps_of(item)
            if inner is None:
                return None
            found.extend(inner)
        else:
            found.append(item)
    return found


def transform_of(dataset: Value) -> Value | None:
    """What a data set applies to its inputs."""
    if dataset.cls is not None:
        for name in ("transform", "transforms"):
            found = dataset.attrs.get(name)
            if found is not None:
                return found
        return None
    return argument(dataset, "transform") or dataset.kwargs.get("transforms")


def random_step(transform: Value | None) -> Value | None:
    """The first random step of a transform."""
    steps = steps_of(transform) or ()
    return next((step for step in steps if RANDOM.match(name_of_step(step)) or _draws(step)), None)


def _draws(step: Value) -> bool:
    """Whether a `Lambda` draws random numbers."""
    function = step.args[0] if step.args else step.kwargs.get("lambd")
    if name_of_step(step) != "Lambda" or function is None:
        return False
    node = function.function.node if function.function is not None else function.node
    return node is not None and _RANDOMNESS.search(cst.Module([]).code_for_node(node)) is not None
