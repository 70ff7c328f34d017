"""See rules/squared-error-on-sigmoid.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.scores import losses_of, surely
from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

BETTER = {"sigmoid": "binary cross-entropy with logits", "softmax": "cross-entropy"}
DECISIONS = frozenset({"argmax", "round", "gt", "ge"})
COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
SAME_LABEL = LOOK_THROUGH | {"long", "int", "bool", "argmax", "getitem"}


class SquaredErrorOnSigmoid(Rule):
    words = ("mse_loss", "MSELoss")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "mse_loss"):
            found = surely(loss.prediction, lambda value: value.op in BETTER)
            if not found or loss.target is None or not _is_class(script, loss.target):
                continue
            op = found[0].op
            yield self.problem(
                loss.node,
                f"the squared error of a {op} against classes: where "
                f"`{script.name_of(loss.prediction, 'it')}` is confidently wrong the {op} is flat and the "
                f"gradient vanishes; use {BETTER[op]} on the logits",
                related=((loss.place(found[0]), f"the {op}"),),
            )


def _is_class(script: ScriptModel, target: Value) -> bool:
    """Whether the target surely is a class: one-hot, or compared with a decision."""
    sources = list(target.sources(SAME_LABEL))
    if all(part.op == "one_hot" or part.op in COMPARISONS for part in sources):
        return True
    ids = {id(part) for part in sources}
    for call in script.calls_of("eq", "ne"):
        for label, decision in (call.args[:2], call.args[1::-1]):
            decided = surely(
                decision, lambda value: value.op in DECISIONS, LOOK_THROUGH | {"long", "int", "item"}
            )
            if decided and any(id(part) in ids for part in label.sources(SAME_LABEL)):
                return True
    return False
