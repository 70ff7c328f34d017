"""Which side of a split a data set, loader or array is on.

What builds it decides: `train=True`, `split="val"`, a folder called `test`, the halves of `train_test_split`.
Its name is a weak hint, asked for apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.arguments import argument
from nnlint.static.values import EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

TRAIN, EVALUATION = "train", "evaluation"
TRAIN_TEST_SPLIT = "sklearn.model_selection.train_test_split"
PARTS = frozenset({"torch.utils.data.Subset", "torch.utils.data.random_split"})
LOADER = "torch.utils.data.DataLoader"

# Parameters that choose a split.
FLAGS = frozenset({"train", "is_train", "istrain", "training", "is_training"})
CHOICES = frozenset({
    "split", "mode", "phase", "subset", "image_set", "partition", "stage", "flag", "set_type",
    "part", "dataset_type", "fold", "set", "data_type", "url", "classes", "name", "root", "path",
    "data_dir", "data_path", "root_dir", "folder",
})  # fmt: skip

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TRAINING = re.compile(r"train|(?:^|[_.])(?:trn|tr)(?=$|[_.\d]|set|load|ds|dl)")
_END = r"(?=$|\d|[^a-z]|set|load|data|ds\b|dl\b|iter|gen|batch|queue|img)"
_EVALUATION = re.compile(
    rf"(?:^|[^a-z])(?:val|valid|validation|validate|test|testing|dev|eval|evaluation|holdout){_END}"
    rf"|(?:loader|set|data|iter)(?:val|valid|validation|test|dev|eval){_END}"
)


def role_in_name(name: str) -> str | None:
    """The side that a name suggests; None where it suggests both (`train_eval_loader`) or neither."""
    name = _CAMEL.sub("_", name).lower()
    trains, evaluates = _TRAINING.search(name) is not None, _EVALUATION.search(name) is not None
    if trains is evaluates:
        return None
    return TRAIN if trains else EVALUATION


def role_in_text(text: str) -> str | None:
    """The side that a split's name or a path states: `train`, `data/val`, `test.csv`."""
    parts = [part for part in re.split(r"[/\\]", text.strip()) if part]
    for part in reversed(parts[-2:]):
        stem = part.rpartition(".")[0].lower() or part.lower()
        if re.fullmatch(r"(?:\w+[_-])?(?:train|training|trainval|trn)(?:\d*|[_+-]\w+|data|set|images)", stem):
            return TRAIN if not _EVALUATION.search(stem.replace("trainval", "train")) else None
        if re.fullmatch(
            r"(?:\w+[_-])?(?:val|valid|validation|test|testing|dev|eval)(?:\d*|[_+-]\w+|data|set|images)",
            stem,
        ):
            return EVALUATION if "train" not in stem else None
    return None


def texts(value: Value, depth: int = 0) -> Iterator[str]:
    """The constant text in an argument: a string, `join(root, "train")`, `f"{root}/train"`."""
    if value.kind is Kind.CONST and isinstance(value.const, str):
        yield value.const
    elif value.op == "format" and isinstance(value.node, cst.FormattedString):
        for piece in value.node.parts:
            if isinstance(piece, cst.FormattedStringText):
                yield piece.value
    elif value.op in {"os.path.join", "pathlib.Path", "add", "div", "builtins.str"} and depth < 4:
        for arg in value.args:
            yield from texts(arg, depth + 1)


def _given(call: Value) -> Iterator[tuple[str, Value]]:
    """The arguments of a construction with the names of their parameters, as far as known."""
    init = call.cls.method("__init__") if call.cls is not None else None
    names = [parameter.name for parameter in init.parameters[1:]] if init is not None else []
    for position, arg in enumerate(call.args):
        yield names[position] if position < len(names) else "", arg
    yield from call.kwargs.items()


def stated_split(dataset: Value) -> tuple[str, str] | None:
    """The side that a data set's own construction states, and the words that state it."""
    train = argument(dataset, "train") if dataset.cls is None else None
    if train is not None and type(train.const) is bool and train.kind is Kind.CONST:
        return (TRAIN if train.const else EVALUATION), f"train={train.const}"
    found: tuple[str, str] | None = None
    for name, value in _given(dataset):
        if value.kind is Kind.CONST and type(value.const) is bool and name in FLAGS:
            return (TRAIN if value.const else EVALUATION), f"{name}={value.const}"
        if name in CHOICES or not name:
            for text in texts(value):
                role = role_in_text(text)
                if role is not None and (found is None or name in {"split", "mode", "phase"}):
                    found = role, f"{name}={text!r}" if name else repr(text)
    return found


def _dataset(value: Value) -> bool:
    """A data set, of another file too, where its class says so."""
    return value.kind is Kind.DATASET or (value.kind is Kind.UNKNOWN and value.op.endswith("Dataset"))


def split_of(value: Value | None, depth: int = 0) -> tuple[str, str] | None:
    """The side that a loader, data set or array is on, and why; None where its making does not say."""
    if value is None or depth > 8:
        return None
    if value.alts:
        found = [split_of(part, depth + 1) for part in value.alternatives() if not part.is_const(None)]
        return (
            found[0]
            if found and all(item and found[0] and item[0] == found[0][0] for item in found)
            else None
        )
    if value.kind is Kind.LOADER:
        return split_of(dataset_of(value), depth + 1)
    if value.op == "item_of" and value.args and value.args[0].op == TRAIN_TEST_SPLIT:
        return (TRAIN if value.const % 2 == 0 else EVALUATION), "train_test_split"
    if value.op in PARTS:
        return None
    if _dataset(value) and value.op != "torch.utils.data.TensorDataset":
        stated = stated_split(value)
        if stated is not None:
            return stated
    if value.op in {"getitem", "module_call"} or not value.args:
        return None
    return split_of(value.args[0], depth + 1)


def dataset_of(loader: Value | None) -> Value | None:
    """What a loader loads."""
    if loader is None or loader.alts or loader.op != LOADER:
        return None
    return loader.args[0] if loader.args else loader.kwargs.get("dataset")


def name_of_loader(loader: Value) -> str:
    """What a loader is called; else the function that makes it, where that says its side."""
    if role_in_name(loader.name) is None and loader.frame is not None:
        for function in loader.frame.functions()[:1]:
            if role_in_name(function.name) is not None and re.search(r"load|data", function.name):
                return function.name
    return loader.name


def takes_a_part(loader: Value) -> bool:
    """Whether a loader draws from a part of its data set only: a sampler, a Subset, a random_split."""
    if any(name in loader.kwargs for name in ("sampler", "batch_sampler", "**")) or len(loader.args) > 3:
        sampler = argument(loader, "sampler") or argument(loader, "batch_sampler")
        if "**" in loader.kwargs or (sampler is not None and not sampler.is_const(None)):
            return True
    dataset = dataset_of(loader)
    return dataset is None or any(part.op in PARTS for part in dataset.alternatives())


def whole(dataset: Value) -> Value:
    """The data set that a Subset or a half of random_split is a part of."""
    for _ in range(6):
        if dataset.op not in PARTS or not dataset.args:
            break
        dataset = dataset.args[0]
    return dataset


def loaders_behind(value: Value | None) -> list[Value]:
    """The loaders that batches, `enumerate(loader)`, `zip(a, b)` and the like come from."""
    found: list[Value] = []
    seen: set[int] = set()
    stack = [value] if value is not None else []
    while stack and len(seen) < 200:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if current.kind is Kind.LOADER and not current.alts:
            found.append(current)
            continue
        stack.extend(current.alts)
        if current.op in {
            "enumerate",
            "zip",
            "batch",
            "batch_item",
            "item_of",
            "tuple",
            "element",
            "list",
            "builtins.iter",
        }:
            stack.extend(current.args)
        if current.receiver is not None and current.kind is Kind.SEQUENCE:
            stack.append(current.receiver)
    return found


def training_loaders(script: ScriptModel) -> list[Value]:
    """The loaders whose batches an optimizer steps on."""
    return _of_passes(script, trains=True)


def evaluation_loaders(script: ScriptModel) -> list[Value]:
    """The loaders whose batches are only looked at."""
    training = {id(loader) for loader in training_loaders(script)}
    return [loader for loader in _of_passes(script, trains=False) if id(loader) not in training]


def _of_passes(script: ScriptModel, trains: bool) -> list[Value]:
    found: dict[int, Value] = {}
    for current in script.passes:
        if current.trains is not trains:
            continue
        for loader in loaders_behind(current.iterable):
            found[id(loader)] = loader
        for event in current.of(EventKind.FORWARD):
            for arg in event.call.args:
                for value in arg.graph(lambda v: v.op == "batch" or v.kind is Kind.MODULE):
                    if value.op == "batch":
                        for loader in loaders_behind(value):
                            found[id(loader)] = loader
    return list(found.values())
