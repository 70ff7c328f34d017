"""See rules/unsafe-division.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.zeros import goes_dead, in_training_graph, untaken_risks, vanishing_divisor

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

WORDS = {"norm": "norm", "std": "standard deviation", "sum": "sum", "mean": "mean", "sqrt": "root"}


class UnsafeDivision(Rule):
    words = ("/", "div")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        elsewhere = {id(value) for _, value in untaken_risks(script)}
        for call in script.calls_of("div"):
            if (
                id(call) in elsewhere
                or len(call.args) < 2
                or call.node is None
                or not in_training_graph(call)
            ):
                continue
            divisor = vanishing_divisor(call.args[1])
            if divisor is None or not in_training_graph(divisor):
                continue
            name = script.name_of(call.args[1], "the divisor")
            yield self.problem(
                call.node,
                f"the divisor `{name}` is a {WORDS[divisor.op]} that can be exactly 0 in training: NaN "
                f"or Inf here and in every gradient; add a small eps, or use `F.normalize`, which clamps it",
                severity=Severity.WARNING if goes_dead(divisor) else Severity.INFO,
            )
