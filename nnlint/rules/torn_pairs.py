"""See rules/torn-pairs.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import constant
from nnlint.static.lineage import Lineage
from nnlint.static.pairs import Pair, Shuffle, pairs, permuted, reseeded, shuffles
from nnlint.static.scores import is_data
from nnlint.static.splits import LOADER
from nnlint.static.torch_api import FACTORIES, RELABEL
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Labels whose order means nothing.
ALIKE = FACTORIES | {
    "repeat",
    "range",
    "numpy.ones",
    "numpy.zeros",
    "numpy.full",
    "numpy.arange",
    "const",
    "number",
}
SIZES = (Kind.NUMBER, Kind.SIZE)


class TornPairs(Rule):
    words = ("shuffle", "randperm", "permutation", ".sample(")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        lineage, found, told = Lineage(script), list(shuffles(script)), set[int]()
        for pair in pairs(script):
            problem = (
                self._permuted(script, lineage, pair)
                or self._apart(script, lineage, pair, found)
                or self._one_side(script, pair, found)
                or self._inputs_only(script, lineage, pair)
                or self._loaders(lineage, pair)
            )
            if problem is not None and id(problem.node) not in told:
                told.add(id(problem.node))
                yield problem

    def _permuted(self, script: ScriptModel, lineage: Lineage, pair: Pair) -> Problem | None:
        """`x[randperm(n)]` and `y[randperm(n)]`."""
        for one in permuted(lineage, pair.first):
            for other in permuted(lineage, pair.second):
                first, second = one.args[1], other.args[1]
                if first is second or first.node is None or second.node is None or one.node is other.node:
                    continue
                if first.kwargs or second.kwargs or first.receiver is not second.receiver:
                    continue
                start, end = sorted((first.time, second.time))
                if reseeded(script, start, end) or _unpermuted(lineage, pair.first, one):
                    continue
                if _unpermuted(lineage, pair.second, other):
                    continue
                names = [script.name_of(part.args[0], "the data") for part in (one, other)]
                return self._torn(second.node, f"`{names[0]}` and `{names[1]}`", pair, first.node)
        return None

    def _apart(
        self, script: ScriptModel, lineage: Lineage, pair: Pair, found: list[Shuffle]
    ) -> Problem | None:
        """Both sides are shuffled, each for itself."""
        if len(found) < 2:
            return None
        first, second = (
            # How many there are takes nothing over from them: `labels[: len(features) // 2]`.
            {id(part) for part in lineage.behind(side, stop=lambda part: part.kind in SIZES)}
            for side in (pair.first, pair.second)
        )
        earlier = [item for item in found if item.time < pair.time]
        for one in (item for item in earlier if id(item.after) in first - second):
            for other in (item for item in earlier if id(item.after) in second - first):
                early, late = sorted((one, other), key=lambda item: item.time)
                if one.source is not other.source or reseeded(script, early.time, late.time):
                    continue
                if pair.loss and one.after is not one.before:
                    continue  # only one of several arrangements may be compared
                names = [script.name_of(item.before, "the data") for item in (one, other)]
                return self._torn(late.node, f"`{names[0]}` and `{names[1]}`", pair, early.node)
        return None

    def _one_side(self, script: ScriptModel, pair: Pair, found: list[Shuffle]) -> Problem | None:
        """One of two things that came together is shuffled in place."""
        if pair.loss:
            return None
        for item in found:
            if item.after is not item.before or item.time > pair.time:
                continue
            for side, other in ((pair.first, pair.second), (pair.second, pair.first)):
                if _plain(side) is not item.after or not _together(_plain(other), item.after):
                    continue
                kept = _plain(other)
                if kept.time < item.time and not any(_plain(s.after) is kept for s in found):
                    name = script.name_of(item.after, "the data")
                    still = script.name_of(kept, "the labels")
                    return self.problem(
                        item.node,
                        f"`{name}` is shuffled and `{still}`, which belongs to it row by row ({pair.words}), "
                        f"is not, so every sample gets another one's label; shuffle one list of indices and "
                        f"take both by it",
                    )
        return None

    def _inputs_only(self, script: ScriptModel, lineage: Lineage, pair: Pair) -> Problem | None:
        """`x = x[randperm(n)]`, and `y`, which goes with it row by row, stays as it was.

        The other way round it may be a test with random labels.
        """
        kept = _plain(pair.second)
        if pair.loss or permuted(lineage, pair.second):
            return None
        for taken in permuted(lineage, pair.first):
            rows = taken.args[0]
            if taken.node is None or rows is kept or not _row_by_row(lineage, rows, kept):
                continue
            if not _unpermuted(lineage, pair.first, taken):
                name, still = script.name_of(rows, "the data"), script.name_of(kept, "the labels")
                return self.problem(
                    taken.node,
                    f"`{name}` is brought into a random order and `{still}`, which belongs to it row by row "
                    f"({pair.words}), is not, so every sample gets another one's label; take both by one "
                    f"permutation",
                )
        return None

    def _loaders(self, lineage: Lineage, pair: Pair) -> Problem | None:
        """Inputs and labels out of two loaders, each with an order of its own."""
        if not pair.loss or not is_data(pair.second):
            return None
        inputs, labels = (_loaders_of(lineage, side) for side in (pair.first, pair.second))
        if len(inputs) != 1 or len(labels) != 1 or inputs[0] is labels[0]:
            return None
        both = (inputs[0], labels[0])
        if any(loader.op != LOADER or "generator" in loader.kwargs for loader in both):
            return None
        if inputs[0].args[:1] == labels[0].args[:1] or labels[0].node is None or inputs[0].node is None:
            return None
        if all(constant(loader, "shuffle", False) is False for loader in both) or any(
            constant(loader, "shuffle", False) is ... for loader in both
        ):
            return None
        names = [loader.name or "a loader" for loader in both]
        return self._torn(labels[0].node, f"`{names[0]}` and `{names[1]}`", pair, inputs[0].node)

    def _torn(self, node: cst.CSTNode, names: str, pair: Pair, other: cst.CSTNode) -> Problem:
        return self.problem(
            node,
            f"{names} are brought into two random orders and then used as pairs ({pair.words}), so every "
            f"sample gets another one's label; draw one permutation and index both with it",
            related=((other, "the other order"),),
        )


def _unpermuted(lineage: Lineage, side: Value, taken: Value) -> bool:
    """Whether the data also take part in another order, as in mixup."""
    return any(part is taken.args[0] for part in lineage.behind(side, stop=lambda part: part is taken))


def _plain(value: Value) -> Value:
    """The array that was turned into a tensor."""
    while (
        value.op in RELABEL | {"tensor", "as_tensor", "from_numpy", "numpy.array", "torch.Tensor"}
        and value.args
    ):
        value = value.args[0]
    return value


def _together(value: Value, other: Value) -> bool:
    """Whether two things are members of one result: `images, labels = load(path)`."""
    if value is other or value.op in ALIKE or value.kind in (Kind.CONST, Kind.NUMBER):
        return False
    member = value.op == "item_of" or (value.op == "getitem" and value.args[1].kind is Kind.CONST)
    return member and value.op == other.op and value.args[0] is other.args[0]


def _row_by_row(lineage: Lineage, rows: Value, labels: Value) -> bool:
    """Whether one was made from the other (not only of its length), or both came together."""
    stop = lambda part: part.kind in SIZES  # noqa: E731
    if labels.kind not in (Kind.CONST, *SIZES) and any(
        labels is part for part in lineage.behind(rows, stop=stop)
    ):
        return True  # `prototypes[labels]`
    if labels.op in ALIKE:
        return False
    return _together(labels, rows) or any(rows is part for part in lineage.behind(labels, stop=stop))


def _loaders_of(lineage: Lineage, value: Value) -> list[Value]:
    found = lineage.behind(value, stop=lambda part: part.kind in (Kind.LOADER, Kind.MODULE))
    return [part for part in found if part.kind is Kind.LOADER and not part.alts]
