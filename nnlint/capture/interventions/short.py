"""Every loader gives few batches, so that what comes after an epoch comes soon."""

from __future__ import annotations

import contextlib
import signal
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnlint.capture.intervention import Intervention

if TYPE_CHECKING:
    import torch

    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# A pass that trains gives more batches than asked for, until so many updates were made in it; one that only
# looks at the data (means, class weights) is left as it is.
_UPDATES = 2


class Short(Intervention):
    """`values`: how many batches."""

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        self._number = int(values[0])
        # How many updates, backward passes and calls there were when a pass began.
        self._begun: weakref.WeakKeyDictionary[Batches, tuple[int, int, int]] = weakref.WeakKeyDictionary()
        self._calls = 0
        # After an epoch scripts do much else (plots, samples, a search) where no step or batch looks at the
        # time. In a thread other than the first, signals cannot be had.
        with contextlib.suppress(ValueError):
            entry = runner.continuation
            for sign in (signal.SIGPROF, signal.SIGALRM):
                signal.signal(sign, lambda *_: runner.end("seconds"))
            signal.setitimer(signal.ITIMER_PROF, entry.seconds + 1)
            signal.setitimer(signal.ITIMER_REAL, entry.patience + 1)

    def over(self, batches: Batches) -> bool:
        now = len(self.runner.steps), self.runner.backwards, self._calls
        steps, backwards, calls = self._begun.setdefault(batches, now)
        if batches.given < self._number or now == (steps, backwards, calls):
            return False
        return now[1] == backwards or now[0] - steps >= _UPDATES

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        self._calls += 1
