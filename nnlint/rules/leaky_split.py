"""See rules/leaky-split.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.fitted import RANDOM_SPLIT, fits, splits
from nnlint.static.lineage import Lineage
from nnlint.static.loops import trains_one_model
from nnlint.static.splits import (
    EVALUATION,
    LOADER,
    PARTS,
    TRAIN,
    dataset_of,
    role_in_name,
    stated_split,
    takes_a_part,
    training_loaders,
)
from nnlint.static.values import EventKind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.experiments.data import Overlap
    from nnlint.static.model import ScriptModel

DRAWN = frozenset({"random_split", "train_test_split"})
SEEDS = frozenset({"torch.manual_seed", "lightning.seed_everything", "torch.random.manual_seed"})

# Fewer common samples, or a smaller share of those compared, can be chance.
FEW, SHARE = 3, 0.05


class LeakySplit(Rule):
    words = ("split", "fit(", "fit_transform", ".dataset", "Subset")
    explained_by = ("evaluating-on-training-data",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.data import DATA

        return (DATA,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.data import DATA, Data

        first = seen.trajectories.get(DATA.name)
        data = first.measure(Data) if first else None
        for found in data.overlaps if data is not None else ():
            if (name := _held_out(found)) and _leaks(found):
                of_looked = "" if found.exact else f" of {found.looked} that were compared"
                yield Sighting(
                    found.place,
                    f"{found.shared} samples of `{name}`{of_looked} are among those that the model is "
                    f"trained on, so its figures show what was learned by heart; split once, by disjoint "
                    f"indices, and load the parts",
                    related=((found.training, "the loader that is trained on"),),
                    evidence={"shared": found.shared, "looked": found.looked, "training": found.known},
                )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        yield from self._fitted_before(script)
        yield from self._ignored(script)
        yield from self._split_again(script)
        yield from self._split_twice(script)

    def _fitted_before(self, script: ScriptModel) -> Iterator[Problem]:
        """A scaler that has seen the rows which are held out afterwards."""
        found, places = list(fits(script)), list(splits(script))
        lineage = Lineage(script) if found and places else None
        for fit in found:
            for split in places:
                if lineage is None or split.time < fit.call.time or fit.call.node is None:
                    continue
                if not any(lineage.reaches(part, fit.results, split.time) for part in split.given):
                    continue
                tool = fit.tool.op.rpartition(".")[2]
                named = f"`{fit.tool.name}` ({tool})" if fit.tool.name else f"`{tool}`"
                yield self.problem(
                    fit.call.node,
                    f"{named} is fitted to all rows, and {split.words} takes the held-out rows from them "
                    f"afterwards, so the evaluation data shape what the model is trained on; split first, "
                    f"fit on the training rows only, and transform the others",
                    related=((split.node, "the split"),),
                    severity=Severity.WARNING if fit.apart else None,
                )
                break

    def _ignored(self, script: ScriptModel) -> Iterator[Problem]:
        """A loader over the whole data set although a part of it is held out."""
        loaders = [loader for loader in script.calls_of(LOADER) if dataset_of(loader) is not None]
        trained = {id(loader) for loader in training_loaders(script)}
        parts_of: dict[int, list[Value]] = {}
        for loader in loaders:
            if (whole := _taken_from(loader)) is not None:
                parts_of.setdefault(id(whole), []).append(loader)
        for loader in loaders:
            dataset = dataset_of(loader)
            if dataset is None or loader.node is None or dataset.alts:
                continue
            if dataset.op == "getattr" and dataset.const == "dataset" and dataset.args[0].op in PARTS:
                part = dataset.args[0].name or "the subset"
                yield self.problem(
                    loader.node,
                    f"`{part}.dataset` is the whole data set that the subset was taken from, so "
                    f"`{loader.name or 'the loader'}` ignores the split; load the subset itself",
                )
                continue
            if takes_a_part(loader) or role_in_name(loader.name) == EVALUATION:
                continue
            if not (id(loader) in trained or (not trained and role_in_name(loader.name) == TRAIN)):
                continue
            parts = parts_of.get(id(dataset), [])
            if not parts or any(id(part) in trained for part in parts):
                continue
            held_out = next((part for part in parts if role_in_name(part.name) == EVALUATION), None)
            if held_out is None or not all(role_in_name(part.name) == EVALUATION for part in parts):
                continue
            yield self.problem(
                loader.node,
                f"`{loader.name or 'the loader'}` trains on all of "
                f"`{script.name_of(dataset, 'the data set')}`, the samples that `{held_out.name}` holds out "
                f"included; load the training part of the split",
                related=((held_out.node, "the part that is held out"),),
            )

    def _split_again(self, script: ScriptModel) -> Iterator[Problem]:
        """A split that is drawn anew in every turn of the loop that trains one model."""
        for split in splits(script):
            loop = split.frame.loop() if split.frame is not None else None
            if loop is None or split.words not in DRAWN or _seeded(split.node):
                continue
            if not split.given or not all(part.time < loop.start and not part.alts for part in split.given):
                continue
            if trains_one_model(loop) and not any(event.kind is EventKind.OPAQUE for event in loop.events):
                yield self.problem(
                    split.node,
                    "the data are split anew in every turn of the loop that trains the model, so the rows "
                    "that are held out now were trained on before; split once, before the loop",
                )

    def _split_twice(self, script: ScriptModel) -> Iterator[Problem]:
        """Training and validation parts taken from two independent random splits of the same rows."""
        drawn: list[tuple[Value, Value]] = []
        for loader in script.calls_of(LOADER):
            part = dataset_of(loader)
            if part is not None and part.op == RANDOM_SPLIT and part.args and not part.alts:
                drawn.append((loader, part))
        for loader, part in drawn:
            if role_in_name(loader.name) != EVALUATION or part.node is None or _seeded(part.node):
                continue
            for other, first in drawn:
                if first.node is part.node or first.node is None or role_in_name(other.name) != TRAIN:
                    continue
                if first.const == part.const or not _same_rows(first.args[0], part.args[0]):
                    continue
                if _seeded(first.node) or any(call.op in SEEDS for call in _between(script, first, part)):
                    continue
                yield self.problem(
                    part.node,
                    f"`{loader.name}` and `{other.name}` take their parts from two random splits that are "
                    f"drawn independently, so many rows are in both; draw the indices once and use Subset, "
                    f"or give each split a generator of its own with the same seed",
                    related=((first.node, "the other split"),),
                )
                break


def _held_out(found: Overlap) -> str:
    """What the script calls the loader, if it is surely meant for samples that are not trained on."""
    roles = {name: role_in_name(name) for name in found.names}
    if TRAIN in roles.values() or any("train" in name.lower() for name in found.names):
        return ""
    held_out = [name for name, role in roles.items() if role == EVALUATION]
    # One data set as a whole on both sides: how well the training data are fitted may be asked.
    if found.same:
        held_out = [name for name in held_out if "eval" not in name.lower()]
    return held_out[0] if held_out else ""


def _leaks(found: Overlap) -> bool:
    """Whether there are more common samples than a few, or than rows that are alike anyway explain."""
    share = found.shared / found.looked
    if found.exact:
        return found.shared >= FEW
    return found.shared >= FEW and share >= SHARE and found.repeated <= share / 5


def _taken_from(loader: Value) -> Value | None:
    """The data set of which a loader loads a part."""
    part = dataset_of(loader)
    if part is None or part.alts or part.op not in PARTS or not part.args:
        return None
    return part.args[0]


def _seeded(node: cst.CSTNode) -> bool:
    """Whether the split is told its random state: it is the same each time."""
    if not isinstance(node, cst.Call):
        return True
    names = {arg.keyword.value for arg in node.args if arg.keyword is not None}
    stars = any(arg.star for arg in node.args)
    positional = sum(arg.keyword is None for arg in node.args)
    is_torch = isinstance(node.func, (cst.Name, cst.Attribute)) and "random_split" in _last(node.func)
    return stars or bool(names & {"generator", "random_state", "shuffle"}) or (is_torch and positional > 2)


def _last(node: cst.Name | cst.Attribute) -> str:
    return node.value if isinstance(node, cst.Name) else node.attr.value


def _same_rows(first: Value, second: Value) -> bool:
    """Whether two data sets hold the same samples: one object, or two that are built alike."""
    if first is second:
        return True
    if first.alts or second.alts or first.op != second.op:
        return False
    stated = stated_split(first)
    return stated is not None and stated[0] == TRAIN and stated == stated_split(second)


def _between(script: ScriptModel, first: Value, second: Value) -> Iterator[Value]:
    start, end = sorted((first.time, second.time))
    return (call for call in script.calls if start < call.time < end)
