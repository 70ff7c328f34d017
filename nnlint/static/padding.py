"""Which targets hold padding, and with what it is filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static import torch_api
from nnlint.static.arguments import argument
from nnlint.static.splits import loaders_behind
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

PAD_SEQUENCE = "torch.nn.utils.rnn.pad_sequence"
_SAME = (torch_api.LOOK_THROUGH - {"clone"}) | {"detach", "variable"}  # a clone may be masked in place
_DEEPEST = 40


@dataclass(frozen=True)
class Padding:
    """`fill` is None where the file does not show the number; `shown_by` is what shows the padding."""

    fill: object
    shown_by: Value


def padding_of(script: ScriptModel, target: Value) -> Padding | None:
    """The padding that a target of tokens surely holds."""
    sequence, arranged = _sequence(target)
    for made in (sequence, _collated(script, sequence)):
        if made is not None and made.op == PAD_SEQUENCE:
            given = made.args[2] if len(made.args) > 2 else made.kwargs.get("padding_value")
            return Padding(0 if given is None else given.const, made)
    if not arranged:  # one label a sample, though an embedding may look it up
        return None
    for call in script.calls_of("embedding"):
        if not call.args or call.receiver is None or _sequence(call.args[0])[0] is not sequence:
            continue
        index = argument(call.receiver, "padding_idx")
        if index is not None and not index.is_const(None):
            return Padding(index.const, call.receiver)
    return None


def _sequence(value: Value) -> tuple[Value, bool]:
    """The tokens behind reshapes, slices and single positions, and whether they have an axis of positions."""
    arranged = False
    for _ in range(_DEEPEST):
        if value.result is not None:
            value = value.result
        elif value.alts or not value.args:
            break
        elif value.op in _SAME:
            arranged = arranged or value.op in {"view", "reshape", "flatten", "transpose", "t", "permute"}
            value = value.args[0]
        elif value.op == "getitem" and all(_is_place(part) for part in value.args[1:]):
            arranged = True
            value = value.args[0]
        else:
            break
    return value, arranged


def _is_place(index: Value) -> bool:
    if index.op == "slice":
        return True
    return index.kind is Kind.NUMBER or (index.kind is Kind.CONST and type(index.const) is int)


def _collated(script: ScriptModel, item: Value) -> Value | None:
    """What the loader's own `collate_fn` put in this place of the batch."""
    if item.op != "batch_item" or item.const is None:
        return None
    found: list[Value] = []
    for loader in loaders_behind(item):
        collate = argument(loader, "collate_fn")
        info = collate.function if collate is not None else None
        for fact in script.facts:
            if fact.kind != "return" or info is None or fact.frame.functions()[:1] != [info]:
                continue
            given = fact.value
            if given.kind is Kind.MAPPING:
                part = given.attrs.get(str(item.const))
            else:
                places = given.args if given.kind is Kind.SEQUENCE and type(item.const) is int else []
                part = places[item.const] if item.const in range(len(places)) else None
            if part is None:
                return None
            found.append(_sequence(part)[0])
    return found[0] if found and all(part.op == found[0].op for part in found) else None
