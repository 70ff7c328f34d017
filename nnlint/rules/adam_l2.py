"""See rules/adam-l2.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import constant

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# AdamW's default; the values that are used for an L2 penalty in Adam are smaller by far.
DECOUPLED = 0.01


class AdamL2(Rule):
    words = ("Adam",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for optimizer in script.calls_of("torch.optim.Adam", "torch.optim.NAdam", "torch.optim.RAdam"):
            decay = constant(optimizer, "weight_decay", 0.0)
            if not isinstance(decay, (int, float)) or decay < DECOUPLED or optimizer.node is None:
                continue
            if constant(optimizer, "decoupled_weight_decay", False) is not False:
                continue
            name = optimizer.op.rpartition(".")[2]
            yield self.problem(
                optimizer.node,
                f"`weight_decay={decay:g}` in {name} is an L2 penalty: it is divided by the running size "
                f"of the gradient, so the weights with large gradients are hardly decayed; a value of this "
                f"size is meant for decoupled decay, as in `torch.optim.AdamW`",
            )
