"""A process that waits at a continuation's beginning, to play it again up to a step that proved to matter."""

from __future__ import annotations

import os
import select
import struct
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nnlint.capture.plan import Trajectory, from_json

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

_ORDER = struct.Struct("<i")


class Replay:
    """Made at the beginning, in a meter's `begin`; `upto` has the process go on, measured by `meter`.

    The same random state, the same batches: what happened happens again, but slower and looked at closely.
    """

    def __init__(self, runner: Runner, meter: str, batches: Batches | None, batch: Any) -> None:
        self._meter = meter
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        if os.fork():
            os.close(orders)
            os.close(answers)
            return
        os.close(self._orders)
        os.close(self._answers)
        # Our end of the runner's own pipe must not keep it open.
        runner.host.channel.replace(answers)
        order = os.read(orders, _ORDER.size)
        os.close(orders)
        if len(order) < _ORDER.size:
            runner.host.finish()
        (step,) = _ORDER.unpack(order)
        entry = runner.continuation
        again = replace(
            entry, steps=step + 1, seconds=3 * entry.seconds, values=(float(step),), meters=(meter,)
        )
        runner.become(again, batches, batch)

    def upto(self, step: int, seconds: float) -> str | None:
        """What the meter finds when all is done again up to this step; None if nothing, or not in time."""
        os.write(self._orders, _ORDER.pack(step))
        deadline = time.monotonic() + seconds
        data = bytearray()
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._answers], [], [], left)[0]:
                chunk = os.read(self._answers, 65536)
                if not chunk:
                    break
                data += chunk
        for line in bytes(data).decode(errors="replace").splitlines():
            kind, _, text = line.partition("\t")
            if kind == "trajectory":
                trajectory = from_json(Trajectory, text)
                return next((e.result for e in trajectory.measured if e.meter == self._meter), None)
        return None
