"""See rules/transform-order.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.splits import EVALUATION, LOADER, TRAIN, dataset_of, role_in_name, stated_split, whole
from nnlint.static.transforms import PIXELS, TENSORS, name_of_step, steps_of, transform_of
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class TransformOrder(Rule):
    words = ("Normalize",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls:
            if name_of_step(call) == "Compose":
                yield from self._order(call)
        yield from self._one_side(script)

    def _order(self, compose: Value) -> Iterator[Problem]:
        steps = steps_of(compose) or []
        names = [name_of_step(step) for step in steps]
        for i, name in enumerate(names):
            if name != "Normalize" or steps[i].node is None:
                continue
            node = steps[i].node
            assert node is not None
            later = next((j for j in range(i + 1, len(names)) if names[j] in TENSORS), None)
            if later is not None and "ToPILImage" in names[i:later]:
                continue  # what is given is a tensor, normalised back and made an image again
            if later is not None and not any(n in TENSORS | {"ToImage", "PILToTensor"} for n in names[:i]):
                yield self.problem(
                    node,
                    f"`Normalize` stands before `{names[later]}`: it works on float tensors in [0, 1], not "
                    f"on "
                    f"images; put it last",
                )
                continue
            for j in range(i + 1, len(names)):
                step = steps[j].node
                if names[j] in PIXELS and step is not None:
                    yield self.problem(
                        step,
                        f"`{names[j]}` expects pixel values, but `Normalize` has already shifted and scaled "
                        f"them, "
                        f"so what it clips and mixes is wrong; put it before `ToTensor` and `Normalize`",
                        related=((node, "normalised here"),),
                    )
                    break

    def _one_side(self, script: ScriptModel) -> Iterator[Problem]:
        sides: dict[str, list[Value]] = {TRAIN: [], EVALUATION: []}
        for loader in script.calls_of(LOADER):
            found = dataset_of(loader)
            dataset = whole(found) if found is not None else None
            if found is None or dataset is None or dataset.alts:
                continue
            stated = stated_split(dataset)
            role = stated[0] if stated is not None else role_in_name(loader.name)
            if role is not None and not any(dataset is other for other in sides[role]):
                sides[role].append(dataset)
        for training in sides[TRAIN]:
            for held_out in sides[EVALUATION]:
                if training.op != held_out.op or training is held_out:
                    continue
                if any(_alike(other, held_out) for other in sides[TRAIN]):
                    continue  # this one was only for the mean and the deviation
                if any(_alike(training, other) for other in sides[EVALUATION]):
                    continue  # an earlier pair was looked at
                problem = self._compare(training, held_out)
                if problem is not None:
                    yield problem

    def _compare(self, training: Value, held_out: Value) -> Problem | None:
        first, second = transform_of(training), transform_of(held_out)
        steps, others = steps_of(first), steps_of(second)
        if steps is None or others is None or first is second or first is None or second is None:
            return None
        if any(not name_of_step(step) or name_of_step(step) == "Lambda" for step in (*steps, *others)):
            return None
        names, other_names = [name_of_step(s) for s in steps], [name_of_step(s) for s in others]
        if ("Normalize" in names) == ("Normalize" in other_names):
            return None
        if not any(n in TENSORS for n in names) or not any(n in TENSORS for n in other_names):
            return None
        has, lacks = (first, second) if "Normalize" in names else (second, first)
        if lacks.node is None:
            return None
        side = ("training", "evaluation") if has is first else ("evaluation", "training")
        return self.problem(
            lacks.node,
            f"the {side[0]} data are normalised and the {side[1]} data are not, so the model is evaluated "
            f"on inputs "
            f"of another scale; give both the same `Normalize`",
            related=((has.node, "normalised here"),),
            severity=Severity.WARNING,  # a later cell may have made both sets anew
        )


def _alike(training: Value, held_out: Value) -> bool:
    """Whether both are of one class, and normalised both."""
    return training.op == held_out.op and all(
        any(name_of_step(step) == "Normalize" for step in steps_of(transform_of(side)) or ())
        for side in (training, held_out)
    )
