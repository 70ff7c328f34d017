"""See rules/augmented-evaluation.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.splits import (
    EVALUATION,
    LOADER,
    dataset_of,
    evaluation_loaders,
    role_in_name,
    stated_split,
    training_loaders,
    whole,
)
from nnlint.static.transforms import name_of_step, random_step, transform_of
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class AugmentedEvaluation(Rule):
    words = ("transforms",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        trained = {id(loader) for loader in training_loaders(script)}
        judged = {id(loader) for loader in evaluation_loaders(script)}
        for loader in script.calls_of(LOADER):
            dataset = dataset_of(loader)
            if dataset is None or dataset.alts or id(loader) in trained or loader.node is None:
                continue
            base = whole(dataset)
            step = random_step(transform_of(base))
            if step is None or base.alts or not _evaluates(loader, dataset, id(loader) in judged):
                continue
            if any(
                fact.name in {"transform", "transforms"} and fact.time > base.time for fact in script.facts
            ):
                continue  # replaced later, as in `val_set.dataset.transform = …`
            name = loader.name or dataset.name or "the evaluation data"
            if base is dataset:
                place, why = (
                    base.node,
                    f"`{dataset.name or name}` is evaluated on, but its transform is random",
                )
            else:
                place = loader.node
                source = base.name or "the data set"
                why = f"`{name}` loads a part of `{source}` with its training transform"
            if place is None:
                continue
            yield self.problem(
                place,
                f"{why} (`{name_of_step(step)}`): the figures are too low and change from run to run; build "
                f"the "
                f"evaluation data with a transform of its own",
                related=((step.node, "the random transform"),) if step.node is not None else (),
            )


def _evaluates(loader: Value, dataset: Value, judged: bool) -> bool:
    roles = [role_in_name(loader.name), role_in_name(dataset.name)]
    stated = stated_split(dataset)
    if stated is not None and stated[0] != EVALUATION:
        return False
    return EVALUATION in roles and (None in roles or roles[0] == roles[1] or judged)
