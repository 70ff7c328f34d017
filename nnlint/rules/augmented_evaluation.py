"""See rules/augmented-evaluation.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.splits import (
    EVALUATION,
    LOADER,
    TRAIN,
    dataset_of,
    evaluation_loaders,
    name_of_loader,
    role_in_name,
    stated_split,
    takes_a_part,
    training_loaders,
    whole,
)
from nnlint.static.transforms import name_of_step, random_step, steps_of, transform_of
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class AugmentedEvaluation(Rule):
    words = ("transforms",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        trained = {id(loader) for loader in training_loaders(script)}
        judged = {id(loader) for loader in evaluation_loaders(script)}
        loaders = [loader for loader in script.calls_of(LOADER) if dataset_of(loader) is not None]
        training = [
            base for loader in loaders if _trains(loader, trained) for base in map(whole, _datasets(loader))
        ]
        for loader in loaders:
            if id(loader) in trained:
                continue
            for dataset in _datasets(loader):
                if _evaluates(loader, dataset, id(loader) in judged):
                    yield from self._judge(script, loader, dataset, training)

    def _judge(
        self, script: ScriptModel, loader: Value, dataset: Value, training: list[Value]
    ) -> Iterator[Problem]:
        base = whole(dataset)
        transform = transform_of(base)
        step, why = random_step(transform), "its transform is random"
        if step is None and transform is not None and transform.alts:
            step, why = _sometimes(script, transform, base, training)
        if step is None or base.alts or _replaced(script, base):
            return
        name = name_of_loader(loader) or dataset.name or "the evaluation data"
        place = base.node
        if base is not dataset or stated_side(base) == TRAIN:
            place, source = loader.node, base.name or "the data set"
            said = f"`{name}` loads a part of `{source}` with its training transform"
        else:
            said = f"`{dataset.name or name}` is evaluated on, but {why}"
        if place is None:
            return
        yield self.problem(
            place,
            f"{said} (`{name_of_step(step)}`): the figures are too low and change from run to run; build "
            f"the evaluation data with a transform of its own",
            related=((step.node, "the random transform"),),
        )


def _evaluates(loader: Value, dataset: Value, judged: bool) -> bool:
    """Whether a loader's name and what its data set was made of say evaluation."""
    side, stated = role_in_name(name_of_loader(loader)), stated_side(dataset)
    if stated == TRAIN:
        return side == EVALUATION and takes_a_part(loader)  # some of the training rows are held out
    roles = [side, role_in_name(dataset.name)]
    return EVALUATION in roles and (None in roles or roles[0] == roles[1] or judged or takes_a_part(loader))


def stated_side(dataset: Value) -> str | None:
    stated = stated_split(whole(dataset))
    return stated[0] if stated is not None else None


def _trains(loader: Value, trained: set[int]) -> bool:
    side, dataset = role_in_name(name_of_loader(loader)), dataset_of(loader)
    if id(loader) in trained or side == TRAIN:
        return True
    return side is None and dataset is not None and stated_side(dataset) == TRAIN


def _datasets(loader: Value) -> list[Value]:
    """What a loader may load."""
    dataset = dataset_of(loader)
    return [] if dataset is None else [part for part in dataset.alternatives() if not part.is_const(None)]


def _sometimes(
    script: ScriptModel, transform: Value, base: Value, training: list[Value]
) -> tuple[Value | None, str]:
    """A transform that is random on some branch: training's own, or one that only this side has."""
    found = (random_step(part) for part in transform.alternatives() if not _apart(script, part, base))
    step = next((part for part in found if part is not None), None)
    if step is None or any(part.is_const(None) for part in transform.alternatives()):
        return None, ""
    for other in training:
        theirs = transform_of(other)
        if theirs is transform and other is not base:
            return step, "it shares the training set's transform, which may be random"
        if theirs is not None and base.cls is not None and other.cls is base.cls:
            steps = [steps_of(part) for part in theirs.alternatives()]
            if None not in steps and not any(random_step(part) for part in theirs.alternatives()):
                return step, "its transform may be random, while the training set's never is"
    return None, ""


def _apart(script: ScriptModel, first: Value, second: Value) -> bool:
    """Whether two things are made where the same test holds and where it does not."""

    def asked(value: Value, turned: bool) -> set[tuple[str, bool]]:
        tests = value.frame.tests() if value.frame is not None else []
        nodes = [(getattr(frame.node, "test", None), frame.branch is not turned) for frame in tests]
        return {(script.text(node, 400), branch) for node, branch in nodes if node is not None}

    return bool(asked(first, False) & asked(second, True))


def _replaced(script: ScriptModel, base: Value) -> bool:
    """Whether a transform is set later, as in `val_set.dataset.transform = …`."""
    return any(fact.name in {"transform", "transforms"} and fact.time > base.time for fact in script.facts)
