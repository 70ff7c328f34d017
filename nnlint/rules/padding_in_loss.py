"""See rules/padding-in-loss.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import constant, surely_absent
from nnlint.static.padding import PAD_SEQUENCE, padding_of
from nnlint.static.scores import losses_of

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

IGNORED = -100  # what the losses leave out by default


class PaddingInLoss(Rule):
    words = ("padding_idx", "pad_sequence")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "cross_entropy", "nll_loss"):
            call = loss.call
            if (
                loss.target is None
                or call.grad is False
                or constant(call, "reduction", "mean") not in {"mean", "sum"}
            ):
                continue
            if not all(surely_absent(call, name) for name in ("ignore_index", "weight", "reduce")):
                continue
            padding = padding_of(script, loss.target)
            if padding is None or padding.fill == IGNORED:
                continue
            fill = padding.fill if padding.fill is not None else "PAD"
            how = "`pad_sequence`" if padding.shown_by.op == PAD_SEQUENCE else f"`padding_idx={fill}`"
            yield self.problem(
                loss.node,
                f"`{script.name_of(loss.target, 'the target')}` holds padding ({how}), and every padded "
                f"position counts in the loss as a class to predict: short sequences teach the network to "
                f"predict padding, and the loss looks better than it is; pass `ignore_index={fill}`",
                related=((padding.shown_by.node, "the padding"),)
                if padding.shown_by.node is not None
                else (),
            )
