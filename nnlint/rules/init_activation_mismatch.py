"""See rules/init-activation-mismatch.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.flow import DROPOUTS, RECTIFIERS, SATURATING, Flow, following
from nnlint.static.initial import Write, weight_writes
from nnlint.static.torch_api import module_operation
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# What each scheme is derived for.
GLOROT = frozenset({"xavier_uniform", "xavier_normal"})
HE = frozenset({"kaiming_uniform", "kaiming_normal"})
MAIN = frozenset({"relu", "leaky_relu", "prelu", "relu6"})


class InitActivationMismatch(Rule):
    words = ("xavier", "kaiming")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for write in weight_writes(script):
            node = write.call.node
            if node is None or id(node) in seen or write.how not in GLOROT | HE or _adapted(write):
                continue
            used = _activations(script, write)
            if write.how in GLOROT and used and used <= MAIN:
                better = "nn.init.kaiming_uniform_(…, nonlinearity='relu')"
                why = "it keeps the variance through tanh, while ReLU halves it at every layer"
            elif write.how in HE and used and used <= {"tanh", "sigmoid"}:
                better = "nn.init.xavier_uniform_"
                why = (
                    "it makes up for the half that ReLU drops, and drives saturating units towards their ends"
                )
            else:
                continue
            seen.add(id(node))
            yield self.problem(
                node,
                f"{write.how}_ weights feed {' and '.join(sorted(used))}: {why}; use {better}",
            )


def _adapted(write: Write) -> bool:
    """Whether the call says which non-linearity follows."""
    return (
        bool(set(write.call.kwargs) & {"gain", "nonlinearity", "a", "mode", "**"}) or len(write.call.args) > 1
    )


def _activations(script: ScriptModel, write: Write) -> set[str]:
    """The non-linearities that take the outputs of the layers; empty where one of them is not known."""
    layers = [write.layer] if write.single else [c for c in script.calls if c.op in write.classes]
    if not write.everywhere:
        return set()
    found: set[str] = set()
    for layer in layers:
        uses = [
            call for call in script.calls if call.receiver is layer and call.args and call.kind is Kind.TENSOR
        ]
        for use in uses:
            found |= _after(script.flow, use)
        for item in following(layer) if not uses else []:
            operation = module_operation(item.op) if item.op.startswith("torch.nn.") else ""
            if operation in DROPOUTS:
                continue
            if operation in RECTIFIERS | SATURATING:
                found.add(operation)
            break
    return found


def _after(flow: Flow, value: Value) -> set[str]:
    found: set[str] = set()
    for taker in flow.takers(value):
        if taker is None:
            continue
        if taker.op in RECTIFIERS | SATURATING:
            found.add(taker.op)
        elif taker.op in DROPOUTS:
            found |= _after(flow, taker)
    return found
