"""Notes evaluations over a share of the data, and whether the processes spoke to each other after them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data.distributed import DistributedSampler

from nnlint.capture.compared import ComparedMode
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.shares import Share, Shares

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# The only model that ComparedMode is told of.
_MODEL = -1
# So many passes show how a script evaluates.
_PASSES = 2


@dataclass(slots=True)
class _Pass:
    """An evaluation, and how many exchanges there had been when it began, a wrapper's own left out."""

    loader: Place | None
    begun: int
    called: Place | None = None


class SharesMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._mode = ComparedMode()
        self._trained: set[int] = set()
        self._given: Batches | None = None
        self._pass: _Pass | None = None
        self._before = 0
        self._passes: list[Share] = []

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if batches is None or not dist.is_initialized():
            self.runner.enough(self, "no loader, or no process group")
            return
        self._trained.add(id(batches.loader))
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def given(self, batches: Batches, batch: Any) -> None:
        self._given = batches
        if id(batches.loader) in self._trained:
            self._close()
            return
        sampler: Any = batches.loader.sampler
        if not isinstance(sampler, DistributedSampler) or sampler.num_replicas < 2:
            return
        if self._pass is None:
            self._pass = _Pass(self.runner.host.watch.built.get(batches.loader), _exchanges())
            self._mode.on = True
        self._mode.given(batch)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        self._before = _exchanges() if self._pass is not None else 0
        self._mode.within = _MODEL

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._mode.within = 0
        if self._pass is None:
            return
        if isinstance(root, DistributedDataParallel):
            # It shares its buffers, and no figures.
            self._pass.begun += _exchanges() - self._before
        if not torch.is_grad_enabled():
            self._pass.called = self._pass.called or user_place()
            self._mode.called(_MODEL, (args, kwargs), output)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        # What was looked at since the last batch of training was trained on, too.
        if self._pass is not None and self._given is not None:
            self._trained.add(id(self._given.loader))
            self._forget()

    def _close(self) -> None:
        """Training goes on: what of the evaluation was to be brought together has been by now."""
        now = self._pass
        if now is not None and now.called is not None and _MODEL in self._mode.compared:
            self._passes.append(Share(now.loader, now.called, _exchanges() != now.begun))
        self._forget()
        if len(self._passes) >= _PASSES:
            self.runner.enough(self, "evaluations enough")

    def _forget(self) -> None:
        self._pass = None
        self._mode.clear()

    def result(self) -> Shares:
        self._mode.clear()
        return Shares(tuple(self._passes))


def _exchanges() -> int:
    """How often this process has taken part in a collective of any group, or sent or received."""
    groups: Iterable[Any] = dist.distributed_c10d._world.pg_map
    return sum(group._get_sequence_number_for_group() for group in groups)
