"""See rules/unshuffled-training.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import argument, constant, surely_absent
from nnlint.static.splits import (
    EVALUATION,
    LOADER,
    dataset_of,
    loaders_behind,
    role_in_name,
    stated_split,
    whole,
)
from nnlint.static.values import EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

ACCELERATOR = re.compile(r"cuda|accel|gpu|mps|device", re.IGNORECASE)
# Data whose order can be meant.
ORDERED = re.compile(
    r"seq|series|window|stock|text|lang|lm|corpus|forecast|traffic|video|frame|stream|token|replay|rollout|episode"
    r"|graph|iter|web|price|sliding|time|temporal|ptb|wiki|traj|buffer|batch|bucket",
    re.IGNORECASE,
)
RANDOM = re.compile(r"^(?:rand|randn|randint|randperm|normal|uniform|standard_normal)$|random")

# Labels are in clusters if they change so much less often than in a random order, and that can be told.
CLUSTERED, EXPECTED = 0.25, 12


class UnshuffledTraining(Rule):
    words = ("DataLoader",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.data import DATA

        return (DATA,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.data import DATA, Data

        first = seen.trajectories.get(DATA.name)
        data = first.measure(Data) if first else None
        order = data.order if data is not None else None
        if order is None or order.expected < EXPECTED or order.batch_size * 2 > order.samples:
            return
        if order.changes < CLUSTERED * order.expected and order.classes * 4 <= order.looked:
            yield Sighting(
                order.place,
                f"the training data are given in their stored order, which is sorted by class: between "
                f"{order.looked} samples spread over them the label changes {order.changes} times, in a "
                f"random order it would {order.expected:.0f} times; batches of one class each pull the "
                f"network to and fro; pass shuffle=True",
                evidence={"changes": order.changes, "expected": order.expected},
            )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loader in _stepped_on(script):
            dataset = dataset_of(loader)
            if dataset is None or loader.node is None or role_in_name(loader.name) == EVALUATION:
                continue
            if _has_sampler(loader) or not _has_no_order(dataset):
                continue
            if _whole_batch(loader):
                continue
            name = loader.name or "the training loader"
            shuffle = argument(loader, "shuffle")
            absent = shuffle is None and surely_absent(loader, "shuffle") and not _unpacks(loader)
            if absent or (shuffle is not None and shuffle.is_const(False)):
                yield self.problem(
                    loader.node,
                    f"`{name}` trains without shuffle=True: every epoch sees the same batches in the order "
                    f"of the data set, and where that is sorted, batches of one class; pass shuffle=True",
                )
            elif shuffle is not None:
                test = _accelerator_only(script, loader, shuffle)
                if test is not None:
                    yield self.problem(
                        loader.node,
                        f"`{name}` is shuffled only where `{test}` holds, so on other machines the same "
                        f"script trains on the data in their stored order; pass shuffle=True always",
                    )


def _stepped_on(script: ScriptModel) -> list[Value]:
    """The loaders whose batches an optimizer of this file steps on."""
    found: dict[int, Value] = {}
    for current in script.training_passes:
        if current.of(EventKind.STEP):
            for loader in loaders_behind(current.iterable):
                if loader.op == LOADER:
                    found[id(loader)] = loader
    return list(found.values())


def _has_no_order(dataset: Value) -> bool:
    """Map-style data that are neither a sequence in time nor made at random."""
    base = whole(dataset)
    if base.alts or base.kind is not Kind.DATASET:
        return False
    if ORDERED.search(base.name) or ORDERED.search(dataset.name):
        return False
    if base.cls is not None:
        bases = base.cls.base_names()
        known = any(name.rpartition(".")[2] == "Dataset" for name in bases)
        return (
            known
            and "__iter__" not in base.cls.methods
            and not ORDERED.search(base.cls.name)
            and not _random(base)
        )
    if base.op.startswith(("torchvision.datasets.", "torchaudio.datasets.")):
        stated = stated_split(base)
        return not ORDERED.search(base.op.rpartition(".")[2]) and (stated is None or stated[0] != EVALUATION)
    if base.op != "torch.utils.data.TensorDataset" or not base.args:
        return False
    if RANDOM.search(base.args[0].op) or all(map(_random, base.args)):
        return False
    return not any(ORDERED.search(part.name) for arg in base.args for part in list(arg.graph())[:60])


def _has_sampler(loader: Value) -> bool:
    given = [argument(loader, "sampler"), argument(loader, "batch_sampler")]
    return "**" in loader.kwargs or any(value is not None and not value.is_const(None) for value in given)


def _unpacks(loader: Value) -> bool:
    """Whether settings come out of a dictionary: a `sampler` may be among them."""
    return isinstance(loader.node, cst.Call) and any(argument.star == "**" for argument in loader.node.args)


def _random(value: Value) -> bool:
    """Whether it is made from random numbers, so that its order means nothing."""
    for i, part in enumerate(value.graph()):
        if RANDOM.search(part.op):
            return True
        if i > 400:
            break
    return any(RANDOM.search(part.op) for attr in value.attrs.values() for part in list(attr.graph())[:60])


def _whole_batch(loader: Value) -> bool:
    size = argument(loader, "batch_size")
    return size is not None and (size.op == "builtins.len" or constant(loader, "batch_size") is None)


def _accelerator_only(script: ScriptModel, loader: Value, shuffle: Value) -> str | None:
    """The test on an accelerator under which alone the loader is shuffled."""
    if shuffle.kind is not Kind.CONST:
        word = script.name_of(shuffle)
        return word if ACCELERATOR.search(word) and shuffle.op in {"and", "or", "not", *AVAILABLE} else None
    if shuffle.const is not True or loader.frame is None:
        return None
    around = {id(frame.node) for frame in loader.frame.tests()}
    setters: list[Frame] = [
        call.frame
        for call in script.calls_by_last_name.get("update", ())
        if call.op.endswith(".update")
        and call.frame is not None
        and any(arg.attrs.get("shuffle") is shuffle for arg in call.args)
    ]
    setters += [fact.frame for fact in script.facts_by_kind.get("subscript", ()) if fact.value is shuffle]
    for frame in setters:
        for test in frame.tests():
            if id(test.node) in around or test.value is None or not test.branch:
                continue
            word = test.value.name or script.name_of(test.value)
            if ACCELERATOR.search(word):
                return word
    return None


AVAILABLE = frozenset(
    {"torch.cuda.is_available", "torch.accelerator.is_available", "torch.backends.mps.is_available"}
)
