"""See rules/evaluating-on-training-data.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.splits import (
    EVALUATION,
    LOADER,
    PARTS,
    TRAIN,
    dataset_of,
    evaluation_loaders,
    name_of_loader,
    role_in_name,
    split_of,
    stated_split,
    takes_a_part,
    training_loaders,
)
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


SURE = ("train=", "split=")


class EvaluatingOnTrainingData(Rule):
    words = ("DataLoader",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        loaders = [loader for loader in script.calls_of(LOADER) if dataset_of(loader) is not None]
        if len(loaders) < 2:
            return
        trained = {id(loader) for loader in training_loaders(script)}
        judged = {id(loader) for loader in evaluation_loaders(script)}
        training = _Training([loader for loader in loaders if _trains(loader, trained)])
        for loader in loaders:
            if id(loader) in trained or takes_a_part(loader):
                continue
            if role_in_name(name_of_loader(loader)) != EVALUATION:
                continue
            for other in training.alike(loader):
                problem = (
                    None if other is loader else self._compare(script, loader, other, id(loader) in judged)
                )
                if problem is not None:
                    yield problem
                    break

    def _compare(self, script: ScriptModel, loader: Value, other: Value, judged: bool) -> Problem | None:
        dataset, training = dataset_of(loader), dataset_of(other)
        if dataset is None or training is None or loader.node is None:
            return None
        if dataset.alts or _apart(loader, other):
            return None
        if any(script.last_changes.get(id(value), -1) > value.time for value in (dataset, training)):
            return None  # `val_set.data = val_set.data[n:]`
        name = name_of_loader(loader)
        if dataset is training:
            if role_in_name(dataset.name) != TRAIN and split_of(dataset) is None and not judged:
                return None
            return self.problem(
                loader.node,
                f"`{name}` loads `{script.name_of(dataset, 'the training set')}`, the data that "
                f"`{name_of_loader(other)}` trains "
                f"on, so its figures say nothing about unseen data; give it the data set that was held out",
                related=((other.node, "the training loader"),),
            )
        if dataset.node is training.node or dataset.node is None:
            return None
        own = stated_split(dataset)
        if own is None or own[0] != TRAIN or role_in_name(dataset.name) == TRAIN:
            return None
        if script.text(dataset.node, 400) != script.text(training.node, 400) and not own[1].startswith(SURE):
            return None
        return self.problem(
            dataset.node,
            f"`{dataset.name or name}` is built with `{own[1]}` like the training set, so `{name}` "
            f"evaluates on the "
            f"samples that the model was trained on; build it from the held-out split",
            related=((training.node, "the training set"),),
        )


class _Training:
    """The loaders that the script trains on, by the data sets that they load as a whole."""

    def __init__(self, loaders: list[Value]) -> None:
        self._by_data: dict[int, list[int]] = {}
        self._by_split: dict[tuple[str, object], list[int]] = {}
        self._loaders = loaders
        for at, loader in enumerate(loaders):
            data = dataset_of(loader)
            if data is None or takes_a_part(loader) or data.alts or data.op in PARTS:
                continue
            self._by_data.setdefault(id(data), []).append(at)
            if (stated := stated_split(data)) is not None:
                self._by_split.setdefault((data.op, stated), []).append(at)

    def alike(self, loader: Value) -> Iterator[Value]:
        """Those that load the same data set as this one, or the same split of one that is built likewise."""
        data = dataset_of(loader)
        if data is None:
            return
        same = self._by_data.get(id(data), ())
        built = self._by_split.get((data.op, stated_split(data)), ())
        for at in sorted({*same, *built}):
            yield self._loaders[at]


def _trains(loader: Value, trained: set[int]) -> bool:
    return id(loader) in trained or (not trained and role_in_name(name_of_loader(loader)) == TRAIN)


def _apart(loader: Value, other: Value) -> bool:
    """Whether the two are made on different branches, or by different functions: only one of them may "
    "exist."""
    if loader.frame is None or other.frame is None:
        return False
    tests = {(id(frame.node), frame.branch) for frame in loader.frame.tests()}
    others = {(id(frame.node), frame.branch) for frame in other.frame.tests()}
    return any((node, not branch) in others for node, branch in tests)
