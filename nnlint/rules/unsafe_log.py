"""See rules/unsafe-log.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.scores import surely
from nnlint.static.zeros import LOGARITHMS, in_training_graph, reaches_zero, untaken_risks

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

STABLE = {"softmax": "F.log_softmax", "sigmoid": "F.logsigmoid"}


class UnsafeLog(Rule):
    words = ("log",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        elsewhere = {id(value) for _, value in untaken_risks(script)}
        for call in script.calls_of(*LOGARITHMS):
            if id(call) in elsewhere or not call.args or not in_training_graph(call) or call.node is None:
                continue
            if reaches_zero(call.args[0]):
                yield self.problem(call.node, self._message(script, call))

    def _message(self, script: ScriptModel, call: Value) -> str:
        operand = script.name_of(call.args[0], "its argument")
        for op, stable in STABLE.items():
            if surely(call.args[0], lambda value, op=op: value.op == op):  # type: ignore[misc]
                return (
                    f"`{operand}` is a {op}, which underflows to exactly 0, so its logarithm is -inf and the "
                    f"gradient NaN; use `{stable}` on the scores instead"
                )
        return (
            f"`{operand}` can be exactly 0, so `{script.text(call.node, 40)}` is -inf and the gradient "
            f"is not finite; add a small eps or clamp it before the logarithm"
        )
