"""Hands on what the watch has heard of loads; nothing is measured."""

from __future__ import annotations

from nnlint.capture.meter import Meter
from nnlint.experiments.loads import Loaded


class LoadsMeter(Meter):
    def result(self) -> Loaded:
        return Loaded(tuple(self.runner.host.loads.seen))
