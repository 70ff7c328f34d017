"""Where a script pairs inputs with labels row by row, and where it shuffles one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.lineage import Lineage
from nnlint.static.scores import losses_of
from nnlint.static.splits import TRAIN_TEST_SPLIT
from nnlint.static.torch_api import LOSSES
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

IN_PLACE = ("random.shuffle", "numpy.random.shuffle", ".shuffle")
COPIES = ("numpy.random.permutation", "sklearn.utils.shuffle", ".permutation", ".sample")
# Lists that go together need not be inputs and labels: two domains, positives and negatives.
_LABELS = re.compile(r"label|(?:^|_)y(?:$|_)|mask|(?:^|_)gt|caption|annotation", re.IGNORECASE)
PERMUTATIONS = frozenset({"randperm", "numpy.random.permutation", ".permutation"})
SEEDS = frozenset({
    "random.seed", "numpy.random.seed", "numpy.random.set_state", "random.setstate", "torch.manual_seed",
    ".seed", "torch.set_rng_state", "lightning.seed_everything", ".set_state", ".setstate", ".manual_seed",
})  # fmt: skip
TOLD = frozenset({"random_state", "generator", "axis", "n", "**"})


@dataclass(eq=False)
class Shuffle:
    """One array or list in a random order; `after` is what it is from then on (in place: the same object)."""

    node: cst.CSTNode
    before: Value
    after: Value
    source: Value | None  # the random generator, where it is not the global one
    time: int


@dataclass(eq=False)
class Pair:
    """Two sequences that are held against each other row by row."""

    first: Value
    second: Value
    time: int
    words: str
    loss: bool = False


def shuffles(script: ScriptModel) -> Iterator[Shuffle]:
    """Everything that is brought into a random order of its own."""
    for call in script.calls_of(*IN_PLACE):
        if len(call.args) == 1 and not call.kwargs and call.node is not None:
            yield Shuffle(call.node, call.args[0], call.args[0], call.receiver, call.time)
    for call in script.calls_of(*COPIES):
        if call.node is None or TOLD & call.kwargs.keys():
            continue
        if call.op == ".sample":
            if call.receiver is not None and call.kwargs.get("frac") and call.kwargs["frac"].is_const(1, 1.0):
                yield Shuffle(call.node, call.receiver, call, None, call.time)
        elif len(call.args) == 1 and call.args[0].kind not in (Kind.NUMBER, Kind.CONST, Kind.SIZE):
            yield Shuffle(call.node, call.args[0], call, call.receiver, call.time)


def permuted(lineage: Lineage, value: Value) -> list[Value]:
    """The `x[permutation]` that a value was made from."""
    return [
        part
        for part in lineage.behind(value)
        if part.op == "getitem" and len(part.args) > 1 and part.args[1].op in PERMUTATIONS
    ]


def pairs(script: ScriptModel) -> Iterator[Pair]:
    """Where inputs meet their labels."""
    for call in script.calls:
        if call.op in {"torch.utils.data.TensorDataset", TRAIN_TEST_SPLIT} and len(call.args) > 1:
            yield Pair(call.args[0], call.args[1], call.time, call.op.rpartition(".")[2])
        elif call.kind is Kind.DATASET and call.cls is not None and _labelled(call.args):
            yield Pair(call.args[0], call.args[1], call.time, call.cls.name)
    for frame in script.loops:
        value, depth = frame.value, 0
        while value is not None and value.op != "zip" and value.args and depth < 4:
            value, depth = value.args[0], depth + 1
        if value is not None and value.op == "zip" and _labelled(value.args):
            yield Pair(value.args[0], value.args[1], frame.start, "zip")
    for loss in losses_of(script, *LOSSES):
        if loss.target is not None:
            yield Pair(loss.prediction, loss.target, loss.call.time, loss.call.op, loss=True)


def _labelled(args: list[Value]) -> bool:
    """Whether the second of two lists is called after labels; loaders have an order of their own."""
    return (
        len(args) > 1
        and _LABELS.search(args[1].name) is not None
        and Kind.LOADER not in {arg.kind for arg in args}
    )


def reseeded(script: ScriptModel, start: int, end: int) -> bool:
    """Whether a random state is set between two moments: the second shuffle may repeat the first."""
    return any(start < call.time < end for call in script.calls_of(*SEEDS))
