"""Which samples reach the predictions of others by mistake, and whose rule's business each case is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.graph.nodes import Ref

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.graph.call import Mixing
    from nnlint.graph.step import GraphStep

# Parameters as torch calls them in its recurrent and attention layers.
RECURRENT = "weight_ih_l0"
ATTENTION = ("in_proj_weight", "q_proj_weight")
SPREADS = frozenset({"var", "std", "var_mean", "std_mean"})
PICKS = frozenset({"argmax", "argmin"})


@dataclass(frozen=True, slots=True)
class Crossing:
    """A mixing that reaches a prediction. `rule` is the name of the rule that speaks of it."""

    mixing: Mixing
    prediction: Ref
    rule: str

    @property
    def node(self) -> int:
        """What is to blame: the operation, or the view that had cut through the batch axis before it."""
        return self.mixing.cut if self.mixing.cut >= 0 else self.mixing.node


def crossings(step: GraphStep, rule: str) -> Iterator[Crossing]:
    """Those that one rule speaks of, one a line, and none that only follows from another."""
    told: set[Place | None] = set()
    for crossing in every_crossing(step):
        place = step.nodes[crossing.node].place
        if crossing.rule == rule and place not in told:
            told.add(place)
            yield crossing


def every_crossing(step: GraphStep) -> list[Crossing]:
    """All of them, in the order of the step."""
    predictions = [
        (output.ref, value)
        for output in step.predictions
        if (value := step.value(output.ref)).known and value.mixed and (value.axes is None or value.follows)
    ]
    reached = 0
    for _, value in predictions:
        reached |= value.mixed
    found: list[Crossing] = []
    kinds: dict[int, str] = {}
    scores: dict[int, Mixing] = {}
    for number, mixing in enumerate(step.mixings):
        if mixing.context or not reached >> number & 1:
            continue
        if _meant(step, mixing):
            scores[number] = mixing
            continue
        # What follows from another mixing is that one's fault, unless it is of the same kind.
        before = {kind for bit, kind in kinds.items() if mixing.after >> bit & 1}
        if before - {mixing.kind}:
            continue
        kinds[number] = mixing.kind
        if mixing.kind == "attention":
            # Told where the scores were made of which these are the weights.
            mixing = next((made for bit, made in scores.items() if mixing.after >> bit & 1), mixing)
        prediction = next(ref for ref, value in predictions if value.mixed >> number & 1)
        found.append(Crossing(mixing, prediction, _rule(step, mixing)))
    return found


def _meant(step: GraphStep, mixing: Mixing) -> bool:
    """Batch statistics by hand, and samples that are compared with each other."""
    if mixing.argument is None:
        return False
    if mixing.kind in ("softmax", "reduction") and len(step.batch_places(mixing.argument)) > 1:
        return True
    if mixing.kind == "attention" and "softmax" in step.operator(mixing.node):
        # Scores of samples against each other: only what is done with them next mixes values.
        return True
    return mixing.kind == "reduction" and _standardises(step, mixing)


def _standardises(step: GraphStep, mixing: Mixing) -> bool:
    """Whether a mean stands beside a variance over the same axis: batch norm, written out."""
    node = step.nodes[mixing.node]
    for other in step.mixings:
        same = step.nodes[other.node]
        if other.kind != "reduction" or (same.root, same.module) != (node.root, node.module):
            continue
        if step.operator(other.node) in SPREADS or _of_squares(step, other):
            return True
    return False


def _of_squares(step: GraphStep, mixing: Mixing) -> bool:
    if step.operator(mixing.node) != "mean" or mixing.argument is None:
        return False
    behind = step.origin(mixing.argument).node
    operator = step.operator(behind)
    sources = step.sources(behind)
    squared = operator == "pow" and step.nodes[behind].arguments.get("exponent") == 2
    return squared or operator == "square" or (operator == "mul" and len(set(sources)) == 1)


def _rule(step: GraphStep, mixing: Mixing) -> str:
    if mixing.kind == "regroup" or mixing.cut >= 0:
        view = mixing.cut if mixing.cut >= 0 else mixing.node
        return "batch-absorbing-view" if _absorbs(step, view) else "view-after-transpose"
    if layer(step, mixing) is not None:
        return "sequence-batch-order"
    if mixing.kind == "softmax" or step.operator(mixing.node) in PICKS:
        return "softmax-dim"
    return "cross-batch"


def _absorbs(step: GraphStep, view: int) -> bool:
    """Whether a view leaves the batch first and takes rows out of it that are no samples.

    If as many rows are made as another axis is long, that axis was meant to come first.
    """
    (source, *_) = step.sources(view)
    before, after = step.shape(source), step.nodes[view].shapes[0]
    counts = {1}
    for length in before[1:]:
        counts |= {count * length for count in counts}
    return (
        step.batch_places(source) == (0,)
        and len(after) > 1
        and (after[0] not in counts or all(length == 1 for length in before[1:]))
    )


def layer(step: GraphStep, mixing: Mixing) -> str | None:
    """ "recurrent" or "attention": the kind of torch's own layer in which it happens."""
    node = step.nodes[mixing.node]
    if mixing.kind not in ("recurrence", "attention", "selection", "contraction") or node.root < 0:
        return None
    names = _owned(step).get((node.root, node.module), ())
    if mixing.kind in ("recurrence", "selection") and any(name.startswith(RECURRENT) for name in names):
        return "recurrent"
    if mixing.kind in ("attention", "contraction") and any(name in ATTENTION for name in names):
        return "attention"
    return None


def _owned(step: GraphStep) -> dict[tuple[int, str], set[str]]:
    """The last part of the name of each parameter, by the module that owns it."""
    owned: dict[tuple[int, str], set[str]] = {}
    for node in step.nodes:
        if node.op == "parameter":
            owned.setdefault((node.root, node.module), set()).add(node.name.rpartition(".")[2])
    return owned
