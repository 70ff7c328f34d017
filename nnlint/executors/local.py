"""This machine: a process for each run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, Progress, capture


class Local:
    """As many runs as there are cores."""

    @property
    def slots(self) -> int:
        """The number of cores."""
        return os.cpu_count() or 1

    def capture(
        self,
        request: Request,
        continuations: Sequence[Continuation],
        beside: int,
        progress: Callable[[Progress], None] | None,
        stop: Event,
    ) -> Capture:
        """See Executor."""
        memory = share(request, beside)
        return capture(replace(request, memory=memory), continuations, progress, stop=stop, workers=1)


def share(request: Request, beside: int) -> float:
    """The memory of one of several runs, in GiB: of what all may take, or of what is free here."""
    from nnlint.capture.memory import allowance

    if request.memory:
        return request.memory / beside
    return allowance() / 2**30 / min(beside, os.cpu_count() or 1)
