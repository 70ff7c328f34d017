"""Further continuations, asked for by the supervisor once those that it wanted are done."""

from __future__ import annotations

import os

from nnlint.capture.channel import Channel
from nnlint.capture.plan import Continuation, Further, Plan, from_json


def further(plan: Plan, channel: Channel) -> tuple[Continuation, ...]:
    """Say that a round is over, and hear which continuations are to follow; none if nobody answers."""
    if plan.asks < 0:
        return ()
    channel.send("round", "")
    answer = b""
    while not answer.endswith(b"\n"):
        data = os.read(plan.asks, 65536)
        if not data:
            return ()
        answer += data
    return from_json(Further, answer.decode()).continuations
