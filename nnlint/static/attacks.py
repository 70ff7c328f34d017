"""Whether a loop searches for inputs (an attack, a reconstruction) instead of training a network."""

from __future__ import annotations

from nnlint.static.state import roots
from nnlint.static.updates import constructed
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

GRADIENTS = frozenset({EventKind.BACKWARD, EventKind.GRAD, EventKind.STEP})


def searches_inputs(frame: Frame) -> bool:
    """Whether the innermost loop around a place that uses a network changes its input, not its weights.

    There the direction of what is best is the searcher's: an attacker keeps the highest loss.
    """
    for loop in frame.loops():
        kinds = {event.kind for event in loop.events}
        if EventKind.STEP in kinds and any(_trains(e) for e in loop.events if e.kind is EventKind.STEP):
            return False
        if EventKind.OPAQUE in kinds:
            return False  # the training may be there
        if kinds & GRADIENTS or EventKind.FORWARD in kinds:
            return True
    return False


def _trains(step: Event) -> bool:
    """Whether a step may change a network: all but those of optimizers that hold nothing but tensors."""
    if step.target is None or not constructed(step.target):
        return True
    return not all(_only_tensors(optimizer) for optimizer in roots(step.target))


def _only_tensors(optimizer: Value) -> bool:
    given = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params")
    if given is None or given.kind is not Kind.SEQUENCE or given.element is not None:
        return False
    return bool(given.args) and all(item.kind is Kind.TENSOR for item in given.args)
