"""Records what the script computes in one iteration, from the batch to the last loss."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture import picks, samples
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.graph import Recording
from nnlint.graph.callers import held_as
from nnlint.graph.following import following
from nnlint.graph.guess import with_batch
from nnlint.graph.nodes import to_json
from nnlint.graph.plain import plain
from nnlint.graph.record import Recorder

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches


class GraphMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.recorder = Recorder()
        # What other meters compute is not the script's doing.
        self.recorder.elsewhere = lambda: runner.host.watch.listener is not runner
        self._loader: Any = None
        self._loaders: list[Any] = []
        # Whether the call of a module had begun before the recording.
        self._entered = False
        # The first axis of what a model was first called with.
        self._first = 0
        self._stepped: set[torch.optim.Optimizer] = set()
        # How much had been recorded when an optimizer last stepped.
        self._mark = 0
        # And when something was last differentiated, in a script that updates by hand.
        self._differentiated = 0
        # Where the fork was within a backward, its loss had been computed before.
        self._unseen = runner.trigger == "backward"
        self._by_hand = 0
        self._open = contextlib.ExitStack()

    @property
    def _cut(self) -> bool:
        return self.runner.continuation.intervention == "cut"

    def begin(self, batches: Batches | None, batch: Any) -> None:
        self._loader = batches.loader if batches else None
        if batches is None and self._cut:
            self.runner.end("there is no loader whose batches could be cut")
        self._open.enter_context(following(self.recorder))
        self._open.enter_context(self.recorder)

    def given(self, batches: Batches, batch: Any) -> None:
        if batches.loader is self._loader and self.recorder.has_loss:
            self.runner.end("steps")
        if not self._loaders:
            self.recorder.batch = picks.count(batch, samples.asked_for(batches.loader))
        if batches.loader not in self._loaders:
            self._loaders.append(batches.loader)
        number = self._loaders.index(batches.loader)
        place = user_place()
        for name, tensor in samples.named(batch, f"batch {number + 1}" if number else "batch"):
            self.recorder.input(name, tensor, place)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        running = self.recorder.running
        if not running.stack:
            # The fork was within this very call.
            running.enter(root, args, kwargs)
            self._entered = True
        self._guess_batch(root, args, kwargs)

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self._entered:
            self._entered = False
            self.recorder.elsewhere, elsewhere = (lambda: False), self.recorder.elsewhere
            self.recorder.running.returned(output)
            self.recorder.elsewhere = elsewhere
            self.recorder.running.stack.pop()

    def _guess_batch(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        """Without a loader, what a model is first called with is the batch, if it can be nothing else."""
        if self._loaders or self._first:
            return
        given = [tensor for _, tensor in samples.named((args, kwargs))]
        sizes = {tensor.shape[0] for tensor in given if tensor.dim()}
        # One axis of features, or of channels and places: no other layout has these; time may come first.
        if len(sizes) == 1 and all(
            tensor.is_floating_point() and tensor.dim() in (2, 4, 5) for tensor in given
        ):
            self._first = sizes.pop()
            for number, tensor in enumerate(given):
                name = held_as(tensor) or f"argument {number + 1} of {type(root).__name__}"
                self.recorder.input(name, tensor)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        by_hand = sum(step.optimizer < 0 for step in self.runner.steps)
        if self._loader is None and self._differentiated and by_hand > self._by_hand:
            # Parameters were written by hand since: the next iteration had begun.
            self.recorder.forget(self._differentiated)
            self.runner.end("steps")
        self._differentiated = 0 if self._unseen else self.recorder.mark
        self._unseen = False
        self._by_hand = by_hand

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        if self._loader is None and optimizer in self._stepped:
            # The next iteration had begun.
            self.recorder.forget(self._mark)
            self.runner.end("steps")

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        self._stepped.add(optimizer)
        self._mark = self.recorder.mark

    def result(self) -> Recording | None:
        graph = plain(self.recorder, cut=self._cut)
        if not self._loaders:
            graph = with_batch(graph, self._first)
        return Recording(to_json(graph)) if graph.outputs else None
