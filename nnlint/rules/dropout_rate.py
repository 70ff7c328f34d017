"""See rules/dropout-rate.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument
from nnlint.static.torch_api import DROPOUTS

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

HIGHEST = 0.7
_KEEP = re.compile(r"(?:^|[_.])keep(?:$|_)", re.IGNORECASE)
FUNCTIONS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")


class DropoutRate(Rule):
    words = ("ropout",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls_of(*DROPOUTS, *FUNCTIONS):
            if call.receiver is not None or call.node is None:
                continue  # a dropout module is judged where it is made
            p = argument(call, "p")
            if p is None:
                continue
            written = isinstance(p.node, (cst.Float, cst.Integer))  # what is computed is meant
            if written and type(p.const) in (int, float) and HIGHEST < p.const <= 1:
                yield self.problem(
                    call.node,
                    f"a dropout probability of {p.const:g} drops {p.const:.0%} of the activations: torch "
                    f"takes the probability to drop, not the one to keep; use {1 - p.const:.2g} if that is "
                    f"what was meant",
                )
            elif _KEEP.search(p.name):
                yield self.problem(
                    call.node,
                    f"`{p.name}` is named after the probability to keep, but torch's dropout takes the "
                    f"probability to drop; pass `1 - {p.name}`",
                )
