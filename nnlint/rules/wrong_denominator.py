"""See rules/wrong-denominator.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import constant
from nnlint.static.evaluation import speaks_of_evaluation
from nnlint.static.splits import LOADER, dataset_of, loaders_behind, split_of, whole
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.totals import Total, counted, plain, reduced, totals
from nnlint.static.values import EventKind, Fact, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

CLOCKS = frozenset({"time.time", "time.perf_counter", "time.monotonic", "time.process_time", ".elapsed_time"})


class WrongDenominator(Rule):
    words = ("len(", "enumerate(")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not any(
            word in script.source.text for word in ("loss", "Loss", "criterion", "mean(", "enumerate(")
        ):
            return
        multiplied = {
            id(part) for mul in script.calls_of("mul") for arg in mul.args for part in arg.alternatives()
        }
        for call in script.calls_of("div"):
            if len(call.args) < 2 or call.node is None:
                continue
            count = counted(call.args[1])
            for total in totals(call.args[0]):
                problem = self._tallied(script, call, total) if count is None else None
                if problem is not None:
                    yield problem
                    break
                if count is None:
                    continue
                problem = self._judge(script, call, total, *count, multiplied)
                if problem is not None:
                    yield problem
                    break

    def _judge(
        self, script: ScriptModel, call: Value, total: Total, unit: str, of: Value, multiplied: set[int]
    ) -> Problem | None:
        assert call.node is not None
        name = _name(script, call, total)
        if unit == "samples" and id(call) in multiplied:
            return None  # times the size of a batch
        if unit == "samples" and reduced(script, total.added) == "mean" and _by_batches(script, total, of):
            return self.problem(
                call.node,
                f"`{name}` adds up the mean loss of each batch and is divided by the number of samples, so "
                f"the average comes out "
                f"too small by the batch size; add `loss.item() * x.size(0)`, or divide by the number of "
                f"batches",
                related=((total.node, "adds the mean over one batch"),),
            )
        if unit == "index" and any(part.op in CLOCKS for part in total.added.graph()):
            return None  # the time of the steps before this one
        if unit == "index" and _same_loop(total.loop, of) and _index_is_last(call, total):
            return self.problem(
                call.node,
                f"`{name}` is divided by the loop index, which is one less than the number of batches added "
                f"up; divide by {_count(script, of)}",
                related=((total.node, "adds one batch"),),
            )
        if unit not in {"samples", "batches"}:
            return None
        other = _another_loader(total, of)
        if other is not None:
            return self.problem(
                call.node,
                f"`{name}` adds up batches of `{script.name_of(other, 'one loader')}` and is divided by the "
                f"size of `{script.name_of(of, 'another')}`; divide by that of the "
                f"loader that the loop runs over",
                related=((total.node, "adds one batch"),),
            )
        return self._never_reset(call, total)

    def _tallied(self, script: ScriptModel, call: Value, total: Total) -> Problem | None:
        """`seen` in `running / seen`, where each turn adds the size of its batch to it."""
        assert call.node is not None
        tallies = totals(call.args[1])
        if reduced(script, total.added) != "mean" or len(tallies) != 1 or tallies[0].loop is not total.loop:
            return None
        size = plain(tallies[0].added)
        if not _is_batch_size(size):
            return None
        return self.problem(
            call.node,
            f"`{_name(script, call, total)}` adds up the mean loss of each batch, and "
            f"`{script.name_of(call.args[1], 'the divisor')}` the numbers of samples, so the average comes "
            f"out too small by the batch size; add `loss.item()` times that number, or count batches",
            related=((total.node, "adds the mean over one batch"), (tallies[0].node, "adds its samples")),
        )

    def _never_reset(self, call: Value, total: Total) -> Problem | None:
        assert call.node is not None
        outer = total.loop.parent.loop() if total.loop.parent is not None else None
        if outer is None or outer.value is None or call.frame is None or not call.frame.inside(outer):
            return None
        if not loaders_behind(total.loop.value) or loaders_behind(outer.value):
            return None
        adding = next(
            (fact for fact in total.loop.facts if fact.kind == "augmented" and fact.node is total.node), None
        )
        if adding is None or not adding.name or any(_sets(fact, adding) for fact in outer.facts):
            return None
        if any(frame.kind == "function" for frame in _between(total.loop, outer)) and "." not in adding.name:
            return None
        return self.problem(
            call.node,
            f"`{adding.name}` is never set back to zero, so from the second epoch on it holds the sum over "
            f"all epochs so far while it "
            f"is divided by the size of one; set it to zero at the start of each epoch",
            related=((total.node, "adds one batch"),),
        )


def _is_batch_size(value: Value) -> bool:
    """Whether it surely is the number of samples in a batch."""
    first = value.op == "size" and len(value.args) == 2 and value.args[1].is_const(0)
    if not first and not (value.op == "builtins.len" and value.args):
        return False
    tensor = value.args[0]
    return any(part.op in {"batch", "batch_item"} for part in tensor.sources(LOOK_THROUGH | {"getitem"}))


def _count(script: ScriptModel, of: Value) -> str:
    """How the number of turns is written."""
    return f"`len({script.name_of(of, 'loader')})`" if of.kind is Kind.LOADER else "the number of turns"


def _name(script: ScriptModel, call: Value, total: Total) -> str:
    for value in (call.args[0], *call.args[0].alternatives()):
        if value.name:
            return value.name
    return script.text(total.node, 30)


def _by_batches(script: ScriptModel, total: Total, of: Value) -> bool:
    """Whether the sum runs over batches of more than one sample, of the data that is counted."""
    loaders = loaders_behind(total.loop.value)
    if not loaders:
        return False
    sizes = [
        constant(loader, "batch_size", 1)
        for loader in (loaders if any(loader.op == LOADER for loader in loaders) else script.calls_of(LOADER))
        if loader.op == LOADER
    ]
    if sizes and all(size in {1, None} for size in sizes if size is not ...) and ... not in sizes:
        return False
    if of.op == LOADER or of in loaders:
        return any(of is loader for loader in loaders) or not sizes
    known = [dataset for loader in loaders if (dataset := dataset_of(loader)) is not None]
    return not known or any(part is of or whole(part) is of for part in known)


def _another_loader(total: Total, of: Value) -> Value | None:
    """The loader of the loop, where the denominator counts a loader of another name."""
    loaders = loaders_behind(total.loop.value)
    if of.kind is not Kind.LOADER or len(loaders) != 1 or loaders[0] is of:
        return None
    names = [loader.name.rpartition(".")[2] for loader in (loaders[0], of)]
    sides = [split_of(loader) for loader in (loaders[0], of)]
    told = [speaks_of_evaluation(name) for name in names]
    if not all(names) or any(loader.alts for loader in (loaders[0], of)):
        return None
    return loaders[0] if told[0] != told[1] or (all(sides) and sides[0] != sides[1]) else None


def _same_loop(loop: Frame, counted: Value) -> bool:
    """Whether the index is that of the loop over batches: of a loader, or of what a model is given."""
    if any(counted is found for found in loaders_behind(loop.value)):
        return True
    measured = any(event.kind in (EventKind.FORWARD, EventKind.LOSS) for event in loop.events)
    return measured and loop.value is not None and counted in (loop.value, *loop.value.args)


def _index_is_last(call: Value, total: Total) -> bool:
    """After the loop, or inside it once this turn's batch has been added."""
    return call.frame is not None and call.time > total.added.time


def _sets(fact: Fact, adding: Fact) -> bool:
    if fact.kind not in {"name", "attribute", "subscript", "del"} or fact.node is adding.node:
        return False
    last = adding.name.rpartition(".")[2]
    return fact.name == last or fact.kind == "subscript"


def _between(inner: Frame, outer: Frame) -> Iterator[Frame]:
    for frame in inner.chain():
        if frame is outer:
            return
        yield frame
