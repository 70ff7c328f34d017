"""See rules/kl-div-misuse.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import constant
from nnlint.static.scores import PROBABILITIES, is_raw, losses_of, surely

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

LOGARITHMS = frozenset({"log", "log_softmax", "logsigmoid"})


class KlDivMisuse(Rule):
    words = ("kl_div", "KLDivLoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "kl_div"):
            name = script.name_of(loss.prediction, "the input")
            for value in surely(loss.prediction, lambda value: value.op in PROBABILITIES or is_raw(value))[
                :1
            ]:
                given = "raw scores" if is_raw(value) else f"probabilities ({value.op})"
                yield self.problem(
                    loss.node,
                    f"`{name}` holds {given}, but the KL divergence loss "
                    f"expects its input as log-probabilities: what is minimised is no divergence; use "
                    f"`log_softmax`",
                    related=((loss.place(value), "made here"),),
                )
            for value in surely(loss.target, lambda value: value.op in LOGARITHMS)[:1]:
                if constant(loss.call, "log_target", False) is False:
                    target = script.name_of(loss.target or value)
                    yield self.problem(
                        loss.node,
                        f"the target `{target}` holds log-probabilities, but without `log_target=True` "
                        f"probabilities are expected: the loss is not a number; pass `log_target=True`",
                        related=((loss.place(value), "made here"),),
                    )
