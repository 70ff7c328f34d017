"""See rules/same-data-on-every-rank.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.draws import common_seed, state_of
from nnlint.static.ranks import (
    DIVIDES,
    MODEL_PARALLEL,
    behind,
    differs_by_rank,
    draws_from_all,
    is_replica,
    spawns,
)
from nnlint.static.splits import LOADER, dataset_of, loaders_behind
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture
    from nnlint.static.loops import DataPass
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import FunctionInfo

# A seed that the file offsets by the rank, in whatever way.
OFFSET = re.compile(
    rb"seed[^\n]*(?:rank|process_index|gpu|proc_id)|(?:rank|process_index|gpu|proc_id)[^\n]*seed|worker_init_fn",
    re.I,
)
SELECTS = frozenset({"getitem", "index_select", "take", "numpy.take", "gather"})
# Draws whose result is some of what they are given.
PICKS = frozenset({"random.sample", "random.choice", "random.choices", "numpy.random.choice", ".choice"})
ACCELERATOR = "accelerate.Accelerator"
STRATEGIES = ("ddp", "fsdp", "deepspeed")


class SameDataOnEveryRank(Rule):
    words = ("DistributedDataParallel", "FullyShardedDataParallel", "fully_shard", "Accelerator", "strategy")
    # The sampler that is missing is a place in the source.
    explained_by = ("distributed-sampler",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete or MODEL_PARALLEL.search(script.source.data) is not None:
            return
        yield from self._unprepared(script)
        yield from self._undivided(script)
        if OFFSET.search(script.source.data) is not None:
            return
        told: set[int] = set()
        for found in script.training_passes:
            for event in found.of(EventKind.FORWARD):
                if event.grad is False or not is_replica(event.target, script):
                    continue
                for problem in (*self._streamed(script, found), *self._drawn(script, event)):
                    if id(problem.node) not in told:
                        told.add(id(problem.node))
                        yield problem

    def _drawn(self, script: ScriptModel, event: Event) -> Iterator[Problem]:
        """Samples that are drawn by hand, after the same seed on every rank."""
        if DIVIDES.search(script.source.data) is not None:
            return
        calls = [event.call, *event.call.alternatives()]
        for batch in (given for call in calls for given in call.args[:2]):
            for draw in _draws(batch):
                seed = common_seed(script, draw)
                if seed is None or seed.node is None or draw.node is None or not _shared(script, batch):
                    continue
                yield self.problem(
                    draw.node,
                    f"all ranks are seeded by `{script.text(seed.node, 40)}`, so each draws the same samples "
                    f"here: their gradients are equal, and averaging them adds nothing; offset the seed "
                    f"by the rank",
                    related=((seed.node, "the same seed on every rank"),),
                )

    def _streamed(self, script: ScriptModel, found: DataPass) -> Iterator[Problem]:
        """Data sets that choose their samples themselves, whatever a sampler says."""
        for loader in loaders_behind(found.iterable):
            dataset = dataset_of(loader)
            if dataset is None or dataset.alts or dataset.cls is None or loader.node is None:
                continue
            stream = any(base.rpartition(".")[2] == "IterableDataset" for base in dataset.cls.base_names())
            method = dataset.cls.method("__iter__" if stream else "__getitem__")
            if method is None or not _shared(script, dataset) or _divides(script, dataset):
                continue
            draws = [call for call in script.calls if _inside(call, method) and state_of(call) is not None]
            workers = constant(loader, "num_workers", 0) != 0
            if any(common_seed(script, draw, workers) is None for draw in draws):
                continue
            name = f"{dataset.cls.name}.{method.name}"
            if stream:
                yield self.problem(
                    loader.node,
                    f"`{name}` gives the same samples in the same order on every rank, and no sampler "
                    f"divides an IterableDataset: the gradients of all processes are equal; let each rank "
                    f"yield its own share, `islice(samples, rank, None, world_size)`",
                    related=((method.node.name, "does not look at the rank"),),
                )
            elif draws and _ignores_index(script, method):
                yield self.problem(
                    loader.node,
                    f"`{name}` draws a sample and does not use its index, so no sampler divides the data, "
                    f"and all ranks draw with the same seed: their gradients are equal; offset the seed by "
                    f"the rank",
                    related=((draws[0].node, "drawn here"),),
                )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        if len(seen.ranks) < 2:
            return
        first, *others = seen.ranks
        replicas = all(any(entry.called for entry in rank.wrappers) for rank in seen.ranks)
        if not replicas or not first.batch or any(rank.batch != first.batch for rank in others):
            return
        step = seen.first_step
        yield Sighting(
            first.loader or (step.place if step is not None else None),
            f"all {first.size} ranks were given the same first batch: their gradients are equal, and so is "
            "the mean, so that all of them do the work of one; give the DataLoader a DistributedSampler, or "
            "draw with a seed that depends on the rank",
            evidence={"ranks": first.size},
        )

    def _unprepared(self, script: ScriptModel) -> Iterator[Problem]:
        """Training with Accelerate on a loader that it was not given."""
        given = [arg for call in script.calls_of("accelerate.prepare") for arg in call.args]
        prepared = {id(part) for arg in given for part in arg.alternatives()}
        if any(arg.op == "star" for arg in given):
            return
        for found in script.training_passes:
            engines = [event.call.receiver for event in found.of(EventKind.BACKWARD)]
            if not any(engine is not None and engine.op == ACCELERATOR for engine in engines):
                continue
            models = [event.target for event in found.of(EventKind.FORWARD) if event.target is not None]
            if not any(id(part) in prepared for model in models for part in model.alternatives()):
                continue
            for loader in loaders_behind(found.iterable):
                if id(loader) in prepared or loader.node is None or not draws_from_all(loader):
                    continue
                if not _shared(script, loader):
                    continue
                yield self.problem(
                    loader.node,
                    f"`{loader.name or 'this loader'}` is not given to `prepare`, so every process draws "
                    f"from the whole data set, and not from its own share; pass it to `prepare` with "
                    f"the model",
                )

    def _undivided(self, script: ScriptModel) -> Iterator[Problem]:
        """A Lightning Trainer that is told not to divide the data, and a loader that does not either."""
        if DIVIDES.search(script.source.data.replace(b"use_distributed_sampler", b"")) is not None:
            return
        loaders = [call for call in script.calls_of(LOADER) if constant(call, "shuffle", False) is True]
        for trainer in script.calls_of("lightning.Trainer"):
            off, strategy = trainer.kwargs.get("use_distributed_sampler"), trainer.kwargs.get("strategy")
            if (
                not loaders
                or trainer.node is None
                or strategy is None
                or off is None
                or not off.is_const(False)
            ):
                continue
            if str(strategy.const).startswith(STRATEGIES):
                yield self.problem(
                    trainer.node,
                    "`use_distributed_sampler=False` leaves it to you to divide the data, and nothing here "
                    "does: every process trains on the whole data set; leave it out, or give the loader a "
                    "DistributedSampler",
                    related=((loaders[0].node, "draws from the whole data set"),),
                )


def _draws(batch: Value) -> Iterator[Value]:
    """The draws that choose the samples of a batch."""
    for value in behind(batch, lambda part: part.op in SELECTS):
        if value.op in PICKS and value.args and value.args[0].kind not in (Kind.NUMBER, Kind.CONST):
            yield value
        elif value.op in SELECTS:
            for index in value.args[1:]:
                yield from (part for part in behind(index) if state_of(part) is not None)


def _shared(script: ScriptModel, value: Value) -> bool:
    """Whether data are surely the same on every rank: nothing of another file could have divided them."""
    if differs_by_rank(value):
        return False
    return spawns(script) or not any(part.op == "param" for part in behind(value))


def _divides(script: ScriptModel, dataset: Value) -> bool:
    assert dataset.cls is not None
    text = "\n".join(script.module.code_for_node(cls.node) for cls in dataset.cls.lineage())
    return re.search(r"rank|world|shard|process_index|split_", text) is not None


def _inside(call: Value, method: FunctionInfo) -> bool:
    return call.frame is not None and any(function is method for function in call.frame.functions())


def _ignores_index(script: ScriptModel, method: FunctionInfo) -> bool:
    """Whether the index that a sampler gives is never read."""
    name = method.parameters[1].name if len(method.parameters) > 1 else ""
    body = script.module.code_for_node(method.node.body)
    return bool(name) and re.search(rf"\b{name}\b", body) is None
