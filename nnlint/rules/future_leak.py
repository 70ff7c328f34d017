"""See rules/future-leak.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.future import FUTURE, Future
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Rounding of another order of sums is far below; a real dependence is not.
_LEAK = 1e-3


class FutureLeak(Rule):
    continuations = (FUTURE,)
    explained_by = ("mask-polarity", "sequence-batch-order")

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        trajectory = seen.trajectories.get(FUTURE.name)
        future = trajectory.measure(Future) if trajectory else None
        # An encoder may see all; then it is the other input that the targets are shifted against.
        heard = [entry for entry in future.sequences if entry.heard] if future else []
        shifted = [entry for entry in heard if entry.shift == 1]
        if not shifted or any(entry.leak <= _LEAK for entry in shifted):
            return
        first = shifted[0]
        what = "token" if first.integer else "value"
        why = f" ({'; '.join(first.suspects)})" if first.suspects else ""
        yield Sighting(
            first.place,
            f"the model is trained to predict the next {what}, and its predictions change when a later "
            f"{what} changes{why}: it copies the answer from its input, so the training loss means "
            f"nothing, and where the future is not known it fails; let each position see only itself and "
            "what is before it",
            related=((first.loss, "compared with the next element here"),) if first.loss else (),
            evidence={"leak": first.leak, "length": first.length},
        )
