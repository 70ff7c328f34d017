"""See rules/distributed-sampler.md."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import argument, constant
from nnlint.static.loops import DataPass
from nnlint.static.ranks import DIVIDES, draws_from_all, is_replica
from nnlint.static.splits import LOADER
from nnlint.static.values import EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

SAMPLER = "torch.utils.data.DistributedSampler"


class DistributedSampler(Rule):
    words = ("DistributedSampler", "DistributedDataParallel", "FullyShardedDataParallel")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.epochs import EPOCHS

        return (EPOCHS,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        yield from self._without(script)
        trained = [found for found in script.training_passes if found.outer is not None]
        if b".set_epoch(" not in script.source.data:
            yield from self._same_order(script, trained)
        for loader in script.calls_of(LOADER):
            sampler = argument(loader, "sampler")
            if sampler is None or sampler.op != SAMPLER or loader.node is None:
                continue
            if constant(loader, "shuffle", False) is True:
                yield self.problem(
                    loader.node,
                    "`shuffle=True` excludes a sampler and DataLoader refuses both; let the "
                    "DistributedSampler shuffle",
                )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.epochs import EPOCHS, Epochs

        trajectory = seen.trajectories.get(EPOCHS.name)
        epochs = trajectory.measure(Epochs) if trajectory is not None else None
        passes = epochs.passes if epochs is not None else ()
        for earlier, later in itertools.pairwise(passes):
            if earlier == later:
                yield Sighting(
                    later.loader,
                    "two passes of training over this loader drew the same order, since its "
                    f"DistributedSampler stayed at epoch {later.epoch}: call `set_epoch(epoch)` before each "
                    "pass",
                )
                return

    def _without(self, script: ScriptModel) -> Iterator[Problem]:
        """Replicas that are trained on a loader which knows nothing of ranks."""
        idle = _set_aside(script)
        if idle is None and DIVIDES.search(script.source.data) is not None:
            return
        for found in script.training_passes:
            models = [e.target for e in found.of(EventKind.FORWARD) if e.target is not None]
            model = next((target for target in models if is_replica(target, script)), None)
            for loader in _loaders(found) if model is not None else ():
                if model is None or loader.node is None or not draws_from_all(loader):
                    continue
                if idle is not None and not _same_data(idle, loader):
                    continue
                yield self.problem(
                    loader.node,
                    f"every process draws from the whole data set, so "
                    f"`{script.name_of(model, 'the replicas')}` sees each sample once a process in every "
                    f"epoch, and processes with one seed see the same batches; give the loader "
                    f"`sampler=DistributedSampler(…)`",
                    related=((model.node, "wrapped here"),),
                )

    def _same_order(self, script: ScriptModel, trained: list[DataPass]) -> Iterator[Problem]:
        for found in trained:
            for loader in _loaders(found):
                sampler = argument(loader, "sampler")
                for part in sampler.alternatives() if sampler is not None else ():
                    if part.op != SAMPLER or part.node is None or constant(part, "shuffle", True) is not True:
                        continue
                    name = script.name_of(part, "sampler")
                    yield self.problem(
                        part.node,
                        f"`{name}.set_epoch` is never called, so every epoch draws the same order on every "
                        f"process; call `{name}.set_epoch(epoch)` at the start of each epoch",
                        related=((loader.node, "the training loader"),),
                    )


def _set_aside(script: ScriptModel) -> Value | None:
    """A sampler that is made, and given to nothing."""
    made = list(script.calls_of(SAMPLER))
    if not made:
        return None
    given: set[int] = set()  # all that some argument was computed from, each part once
    stack = [value for call in script.calls for value in (*call.args, *call.kwargs.values())]
    while stack:
        part = stack.pop()
        if id(part) not in given:
            given.add(id(part))
            stack += part.made_from()
    kept = {id(part) for fact in script.facts if fact.kind != "name" for part in fact.value.alternatives()}
    return next((one for one in made if id(one) not in given | kept), None)


def _same_data(sampler: Value, loader: Value) -> bool:
    """Whether the sampler was made for the very data that the loader reads."""
    data, read = argument(sampler, "dataset"), argument(loader, "dataset")
    return data is not None and read is not None and data is read


def _loaders(found: DataPass) -> list[Value]:
    loader = found.loader
    parts = loader.alternatives() if loader is not None else []
    return [part for part in parts if part.kind is Kind.LOADER and part.op == LOADER]
