"""Which forwards are held against a target: by a loss, a metric, a comparison, a confusion matrix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnlint.static import duck, torch_api
from nnlint.static.lineage import visit
from nnlint.static.values import EventKind, Kind, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Event

_JUDGE = re.compile(r"criterion|loss|accuracy|metric|(?:^|_)acc(?:$|_)|score|iou|dice|evaluator", re.I)
_SAME_ROWS = torch_api.LOOK_THROUGH | {"getitem", "bool", "long", "int"}


def judged(script: ScriptModel) -> set[int]:
    """ids of the calls of modules whose output is compared with a target."""
    found: set[int] = set()
    ends = [*script.calls, *(fact.value for fact in script.facts)]
    forwards = {id(event.call): event for event in script.events_of(EventKind.FORWARD)}
    inner = {id(arg): key for key, e in forwards.items() for arg in (*e.call.args, *e.call.attrs.values())
             if e.call.kind in (Kind.SEQUENCE, Kind.MAPPING)}  # fmt: skip
    # Unpacking gives items of what each of several modules returns.
    inner |= {id(part): key for key, event in forwards.items() for part in event.call.alts}
    stop = lambda value: id(value) in forwards or id(value) in inner  # noqa: E731
    for value in visit(ends):
        operands = _compared(value)
        sides = [set[int](), set[int]()]
        for position, operand in enumerate(operands[:4]):
            for part in operand.graph(stop):
                key = inner.get(id(part), id(part))
                if key in forwards:
                    sides[min(position, 1)].add(key)
        # A model that sorts its batch gives the targets back too.
        returned = value.op in torch_api.LOSSES and bool(sides[0])
        if len(operands) > 1 and (returned or bool(sides[0]) != bool(sides[1])):
            found |= sides[0] | sides[1]
    return found | {key for key, event in forwards.items() if _judges_itself(event)}


def _compared(value: Value) -> list[Value]:
    """What an operation holds against each other; nothing if it compares nothing."""
    operands = [*value.args, *value.kwargs.values()]
    if is_comparison(value):
        # An advantage and a temporal difference are no comparison with data.
        return operands if value.op != "sub" or any(map(_from_data, operands)) else []
    if value.op == "bitwise_and":  # prediction & target
        return operands if any(map(_from_data, operands)) else []
    if value.op in {"bincount", "numpy.bincount"} and value.args:  # target * classes + prediction
        cells = next(value.args[0].sources(_SAME_ROWS), None)
        added = cells.args if cells is not None and cells.op == "add" else []
        return added if any(map(_made_of_data, added)) else []
    return []


def is_comparison(value: Value) -> bool:
    """An operation that holds a prediction against something: a loss, an equality, a difference."""
    if value.op in torch_api.LOSSES or value.op in {"eq", "ne", "sub"}:
        return True
    if value.op.startswith(("sklearn.metrics.", "torchmetrics.")):
        return True
    if value.op == "module_call" and value.result is None and value.receiver is not None:
        return duck.is_loss_name(value.receiver.name)
    return (
        value.op == "call" and value.receiver is not None and _JUDGE.search(value.receiver.name) is not None
    )


def _from_data(value: Value) -> bool:
    """Whether a value is nothing but data from a loader, perhaps rearranged."""
    return any(part.op in {"batch_item", "batch"} for part in value.sources(_SAME_ROWS))


def _made_of_data(value: Value) -> bool:
    """Whether it was computed from a batch, and no module took part."""
    parts = list(value.graph())
    return any(part.op in {"batch_item", "batch"} for part in parts) and not any(
        part.receiver is not None and part.receiver.kind is Kind.MODULE for part in parts
    )


def _judges_itself(event: Event) -> bool:
    """Whether the module was given the targets too, and computes a loss from them: `model(x, y)`."""
    return any(
        step.op in torch_api.LOSSES and len(step.args) > 1 and step.args[1].derives_from(given)
        for output in _outputs(event.call)
        if output.result is not None and (given := [*output.args[1:], *output.kwargs.values()])
        for step in output.result.graph()
    )


def _outputs(call: Value) -> Iterator[Value]:
    yield call
    if call.kind in (Kind.SEQUENCE, Kind.MAPPING):
        yield from (*call.args, *call.attrs.values())
