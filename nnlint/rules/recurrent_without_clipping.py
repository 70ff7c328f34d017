"""See rules/recurrent-without-clipping.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.torch_api import RECURRENT
from nnlint.static.updates import trained
from nnlint.static.values import EventKind, Kind, Value
from nnlint.static.whole import trainings

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


ARTICLES = {"GRU": "a"}
# Not `def train(model, clip=1.0)`: a parameter may be left from what has gone.
_CLIPPING = re.compile(r"clip\w*\s*\(|clamp_\(", re.IGNORECASE)


class RecurrentWithoutClipping(Rule):
    words = ("LSTM", "GRU", "RNN")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if _CLIPPING.search(script.source.text) or _asked_for(script):
            return
        for found in trainings(script):
            for step in found.of(EventKind.STEP):
                if step.target is None or step.target.kind is not Kind.OPTIMIZER or step.call.node is None:
                    continue
                layer = next((layer for part in trained(step.target) if (layer := _recurrent(part))), None)
                if layer is not None:
                    kind = layer.op.rpartition(".")[2]
                    yield self.problem(
                        step.call.node,
                        f"{ARTICLES.get(kind, 'an')} {kind} is trained without gradient clipping: one long "
                        f"sequence can give a gradient that is orders of magnitude too large and undo "
                        f"hours of training; call `torch.nn.utils.clip_grad_norm_` before the step",
                        related=((layer.node, f"the {kind}"),),
                    )


def _asked_for(script: ScriptModel) -> bool:
    """Whether clipping is left to what is called: `Trainer(gradient_clip_val=1.0)`."""
    return any("clip" in name.lower() for call in script.calls for name in call.kwargs)


def _recurrent(module: Value, depth: int = 0) -> Value | None:
    """A recurrent layer in a module."""
    if module.op in RECURRENT:
        return module
    if module.kind is not Kind.MODULE or depth > 5:
        return None
    parts = [*module.args, *module.attrs.values()]
    return next(
        (layer for part in parts if part is not module and (layer := _recurrent(part, depth + 1))), None
    )
