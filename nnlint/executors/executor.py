"""What a place that has room for several runs offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from typing import Protocol

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, Progress


class ExecutorError(Exception):
    """A place that cannot be used; the message is one line."""


class Executor(Protocol):
    """Runs scripts, up to `slots` side by side, each asked for by a thread of its own."""

    @property
    def slots(self) -> int: ...

    def capture(
        self,
        request: Request,
        continuations: Sequence[Continuation],
        beside: int,
        progress: Callable[[Progress], None] | None,
        stop: Event,
    ) -> Capture:
        """One run on one core, with its share of the memory where `beside` runs happen at a time.

        Blocks, ends soon after `stop` is set, and never raises for what the script or a machine does: that
        is said in `not_run`.
        """
        ...
