"""Libraries that count epochs themselves: a continuation on one batch goes on beyond their count."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

# Lightning's word for no limit.
_NONE = -1


def lift_limits() -> None:
    """Take the limits from the loops of Lightning and ignite that are running now.

    Transformers has fixed its count of batches and epochs before its first step, out of reach.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        library = type(owner).__module__.partition(".")[0]
        if library in ("lightning", "pytorch_lightning"):
            _lift_lightning(owner)
        elif library == "ignite":
            _lift_ignite(owner)
        frame = frame.f_back


def _lift_lightning(loop: Any) -> None:
    inner = getattr(loop, "epoch_loop", None)
    if inner is not None and hasattr(loop, "max_epochs"):
        loop.max_epochs = inner.max_steps = _NONE


def _lift_ignite(engine: Any) -> None:
    state: Any = getattr(engine, "state", None)
    if getattr(state, "max_epochs", None) is not None:
        state.max_epochs = sys.maxsize
    if getattr(state, "max_iters", None) is not None:
        state.max_iters = sys.maxsize
