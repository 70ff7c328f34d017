"""The continuations that several experiments share: each is run once, with all their meters."""

from __future__ import annotations

from dataclasses import replace

from nnlint.capture.plan import Continuation

# The script's own loop as it is.
REAL = Continuation("real", "none", steps=60, seconds=10.0)
# The fork point itself: its meters look at the first iteration, and nothing goes on from there.
FIRST = Continuation("first", "none", steps=1, seconds=10.0)
# Only the order of things matters here, so every loader gives few batches: to the first evaluation and the
# training after it, and on to loops that come later.
SHORT = Continuation("short epochs", "short", steps=100_000, seconds=6.0, values=(1.0,))


def measured(continuation: Continuation, *meters: str) -> Continuation:
    """The same continuation with these meters in it."""
    return replace(continuation, meters=meters)


# Those that train with other optimizers.
LATER = measured(SHORT, "later")
