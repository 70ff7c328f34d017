"""See rules/anomaly-left-on.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.values import EventKind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

SWITCHES = ("torch.autograd.set_detect_anomaly", "torch.autograd.detect_anomaly")
TRAINERS = ("lightning.Trainer", "lightning.Fabric")


class AnomalyLeftOn(Rule):
    words = ("detect_anomaly",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        trains = any(True for _ in script.events_of(EventKind.BACKWARD))
        trains = trains or any(cls.is_module for cls in script.classes)
        for call in script.calls_of(*SWITCHES, *TRAINERS):
            if call.node is None or not _on(call) or (call.frame is not None and call.frame.tests()):
                continue
            if trains or call.op in TRAINERS:
                yield self.problem(
                    call.node,
                    "anomaly detection is on for the whole run: every forward records a traceback and every "
                    "backward looks for NaN, which makes training several times slower; switch it on by an "
                    "option, to search for a NaN",
                )


def _on(call: Value) -> bool:
    if call.op in TRAINERS:
        flag = call.kwargs.get("detect_anomaly")
        return flag is not None and flag.is_const(True)
    if call.op == "torch.autograd.detect_anomaly":
        return True
    flag = call.args[0] if call.args else call.kwargs.get("mode")
    return flag is not None and flag.is_const(True)
