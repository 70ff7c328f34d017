"""Which figures come from the test set: data to be looked at once, when everything is decided."""

from __future__ import annotations

import re

import libcst as cst

from nnlint.static.lineage import Lineage
from nnlint.static.splits import dataset_of, stated_split, whole
from nnlint.static.values import Kind, Value
from nnlint.static.walk import descend

_DATA = (
    r"loader|data|set|iter|batch|ds|dl|gen|x|y|images?|inputs?|labels?|targets?|features?|mask|idx|index"
    r"|examples"
)
_TEST = re.compile(
    rf"(?:^|_)test(?:ing)?_?(?:{_DATA})(?:$|[_\d]|loader|set|s$)|(?:^|_)(?:{_DATA})_?test(?:$|[_\d])",
    re.IGNORECASE,
)
_OTHER = re.compile(r"val|dev(?:$|[^a-z])|train|(?:^|_)trn", re.IGNORECASE)
_VALIDATION = re.compile(r"(?<![a-z])(?:val|valid|validation|dev)(?![a-z])", re.IGNORECASE)
_ANY = re.compile(rf"(?:^|_)(?:\w*loader|{_DATA})(?:$|_)", re.IGNORECASE)
# `args.test_batch_size` is a setting.
_SETTING = re.compile(r"(?:size|path|dir|folder|root|file|name|num|interval|freq|every|epoch|step)s?$", re.I)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def test_data(lineage: Lineage, figure: Value) -> Value | None:
    """The test loader, data set or array that a figure was computed on; None where others take part."""
    found: Value | None = None
    # What a test set was cut out of is no part of it.
    for source in lineage.behind(figure, stop=lambda value: _is_data(value) or _is_test(value) is True):
        if source is figure and not _is_data(source):
            continue  # a `test_loss` is named after what it was computed on
        side = _is_test(source)
        if side is False:
            return None
        if side is True:
            found = found or source
    return found


def validation_name(name: str) -> bool:
    """Whether a loader is called after validation data."""
    return (
        re.search(r"(?:^|_)(?:val|valid|validation|dev)(?:$|_|loader|set|dl)", name, re.IGNORECASE)
        is not None
    )


def _is_data(value: Value) -> bool:
    return value.kind in (Kind.LOADER, Kind.DATASET) and not value.alts


def _for_validation(dataset: Value) -> bool:
    """Whether what a data set is made from says so: `List("voc_val.txt")`, `random_split(…, [n, n_val])`."""
    return any(
        _halves_for_validation(part)
        or (part.kind is Kind.CONST and isinstance(part.const, str) and _VALIDATION.search(part.const))
        for part in dataset.graph()
    )


def _halves_for_validation(split: Value) -> bool:
    """Whether a data set is split in two, and one size is called after validation."""
    if split.op != "torch.utils.data.random_split" or not isinstance(split.node, cst.Call):
        return False
    sizes = [arg.value for arg in split.node.args[1:] if isinstance(arg.value, (cst.List, cst.Tuple))]
    return any(
        len(size.elements) == 2
        and any(isinstance(node, cst.Name) and validation_name(node.value) for node in descend(size))
        for size in sizes
    )


def _is_test(source: Value) -> bool | None:
    """Whether this is test data; None where it does not say."""
    dataset = dataset_of(source) or source
    base = whole(dataset)
    names = [
        _CAMEL.sub("_", value.name.rpartition(".")[2]) for value in (source, dataset, base) if value.name
    ]
    names = [name for name in names if not _SETTING.search(name)]
    if source.kind in (Kind.LOADER, Kind.DATASET):
        if any(_OTHER.search(name) for name in names) or _for_validation(dataset):
            return False
        stated = stated_split(base) if base.kind is Kind.DATASET and not base.alts else None
        if stated is not None and (base.cls is None or "False" not in stated[1]):
            return "test" in stated[1] or stated[1] == "train=False"
    elif source.kind not in (Kind.UNKNOWN, Kind.TENSOR):
        return None
    if any(_TEST.search(name) and not _OTHER.search(name) for name in names):
        return True
    return False if any(_ANY.search(name) and _OTHER.search(name) for name in names) else None
