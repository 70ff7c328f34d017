"""See rules/distributed-sampler.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument, constant
from nnlint.static.loops import DataPass
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

SAMPLER = "torch.utils.data.DistributedSampler"
LOADER = "torch.utils.data.DataLoader"


class DistributedSampler(Rule):
    words = ("DistributedSampler",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
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
                        related=((loader.node, "the training loader"),) if loader.node is not None else (),
                    )


def _loaders(found: DataPass) -> list[Value]:
    loader = found.loader
    parts = loader.alternatives() if loader is not None else []
    return [part for part in parts if part.kind is Kind.LOADER and part.op == LOADER]
