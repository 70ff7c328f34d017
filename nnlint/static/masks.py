"""What True means in an attention mask, "hide" or "keep", and whether the mask is boolean at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static.torch_api import LOOK_THROUGH
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# The same mask in another place.
SAME = LOOK_THROUGH | {
    "bool", "byte", "int", "long", "from_numpy", "as_tensor", "tensor", "repeat", "detach",
    "torch.BoolTensor",
}  # fmt: skip
TURNED = frozenset({"t", "transpose", "permute", "movedim"})
NUMERIC = frozenset({"float", "half", "double", "bfloat16", "int", "long"})
COMPARED = frozenset({"eq", "ne", "gt", "lt", "ge", "le"})
TRIANGLES = frozenset({"tril", "triu", "numpy.tril", "numpy.triu"})
JOINED = frozenset({"logical_and", "logical_or", "bitwise_and", "bitwise_or"})
ONES = frozenset({"ones", "numpy.ones", "ones_like", "new_ones"})
LOW = -1e3
_PAD = re.compile(r"(?:^|_|\.)pad(?:$|_|ding_?(?:idx|id|index|token))", re.I)
_LENGTH = re.compile(r"(?:^|_|\b)(?:len|lens|lengths?|seq_?lens?|num_valid|n_valid)(?:$|_|\b)", re.I)
_DEVICE = re.compile(r"device|gpu|cuda|rank", re.I)
_STEPS = 40


@dataclass(frozen=True)
class Meaning:
    """`blocks`: True hides a position. `boolean`: False where it holds 0.0 and 1.0, None where not known.
    `proof`: the operation that says so."""

    blocks: bool
    boolean: bool | None
    proof: Value


@dataclass
class _Stripped:
    """What a mask is made of, once moves, casts and negations are taken off."""

    base: Value
    flipped: bool = False
    boolean: bool | None = None
    turned: bool = False
    compared: bool = False  # `mask == 0`: whatever it holds, not only booleans
    unsure: bool = False  # cast to a type that the file does not show
    part: bool = False  # one item of it was taken


class Masks:
    """The masks of a script: what their making says, and else what other uses of the same mask say."""

    def __init__(self, script: ScriptModel) -> None:
        self._used: dict[int, list[Meaning]] = {}
        self._tokenized = {
            id(parameter.node)
            for info in script.functions
            if any(parameter.name == "input_ids" for parameter in info.parameters)
            for parameter in info.parameters
            if parameter.name == "attention_mask"
        }
        for call in script.calls_of("masked_fill", "masked_fill_"):
            if len(call.args) > 2 and is_low(call.args[2]):
                found = _strip(call.args[1])
                if not found.compared and not found.part:
                    self._used.setdefault(id(found.base), []).append(Meaning(not found.flipped, None, call))

    def meaning(self, mask: Value) -> Meaning | None:
        """What True means in it; None where the file does not say, or contradicts itself."""
        first: Meaning | None = None
        for part in mask.alternatives():
            if part.is_const(None):
                continue
            found = self._meaning(part)
            if found is None:
                return None
            if first is not None and (first.blocks, first.boolean) != (found.blocks, found.boolean):
                return None
            first = found
        return first

    def _meaning(self, mask: Value) -> Meaning | None:
        stripped = _strip(mask)
        made = self._made(stripped)
        if made is not None or stripped.compared or stripped.part or stripped.unsure:
            return made
        uses = self._used.get(id(stripped.base), [])
        if stripped.boolean is False or not uses or len({use.blocks for use in uses}) != 1:
            return None
        return Meaning(uses[0].blocks is not stripped.flipped, True, uses[0].proof)

    def made(self, mask: Value) -> Meaning | None:
        """What the making of a mask alone says."""
        return self._made(_strip(mask))

    def _made(self, stripped: _Stripped) -> Meaning | None:
        base = stripped.base
        if stripped.unsure:
            return None
        boolean = stripped.boolean
        if base.op in JOINED and len(base.args) == 2:
            parts = [self.made(part) for part in base.args]
            if parts[0] is None or parts[1] is None or parts[0].blocks is not parts[1].blocks:
                return None
            blocks: bool | None = parts[0].blocks
            boolean = True if boolean is None else boolean
        elif base.op in TRIANGLES:
            blocks = None if stripped.turned else _triangle(base)
            boolean = _made_boolean(base) if boolean is None else boolean
        elif base.op in COMPARED:
            blocks = _comparison(base)
            boolean = True if boolean is None else boolean
        elif _from_tokenizer(base) or id(base.node) in self._tokenized:
            blocks = False  # 1 at tokens, 0 at padding, as all tokenizers have it
        else:
            return None
        return Meaning(blocks is not stripped.flipped, boolean, base) if blocks is not None else None


def _from_tokenizer(value: Value) -> bool:
    """`batch["attention_mask"]`, `tokens.attention_mask`."""
    return value.const == "attention_mask" or (
        value.op == "getitem" and any(index.is_const("attention_mask") for index in value.args[1:])
    )


def is_low(value: Value) -> bool:
    """A fill that softmax turns into 0."""
    if value.op == "neg" and value.args:
        return _is_infinity(value.args[0])
    if type(value.const) in (int, float):
        return bool(value.const < LOW)
    if value.op == "builtins.float" and value.args:
        return str(value.args[0].const).strip().lower() in {"-inf", "-infinity"}
    return value.op == "getattr" and value.const == "min" and _finfo(value)


def _is_infinity(value: Value) -> bool:
    if value.kind is Kind.NAME:
        return value.op in {"torch.inf", "math.inf", "numpy.inf"}
    text = str(value.args[0].const).strip().lower() if value.op == "builtins.float" and value.args else ""
    return text in {"inf", "+inf", "infinity"}


def _finfo(value: Value) -> bool:
    return bool(value.args) and value.args[0].op in {"finfo", "torch.finfo", "numpy.finfo"}


def _strip(mask: Value) -> _Stripped:
    """Take off what only moves, casts or negates."""
    found = _Stripped(mask)
    for _ in range(_STEPS):
        value = found.base
        parts = [part for part in value.alternatives() if not part.is_const(None)]
        if value.alts and len(parts) == 1:
            found.base = parts[0]
        elif value.result is not None:
            found.base = value.result
        elif not value.args or value.alts:
            break
        elif value.op in SAME:
            if value.op in TURNED:
                found.turned = True
            if found.boolean is None:
                found.boolean = _cast(value)
                found.unsure = found.unsure or (found.boolean is None and _casts(value))
            found.base = value.args[0]
        elif value.op == "getitem" and not _from_tokenizer(value):
            found.part = found.part or not all(_whole(index) for index in value.args[1:])
            found.base = value.args[0]
        elif value.op == "logical_not":
            found.flipped = not found.flipped
            found.boolean = True if found.boolean is None else found.boolean
            found.base = value.args[0]
        elif value.op == "sub" and value.args[0].is_const(1, 1.0) and len(value.args) == 2:
            found.flipped = not found.flipped
            found.boolean = False if found.boolean is None else found.boolean
            found.base = value.args[1]
        elif (
            value.op in COMPARED
            and (sense := _against_number(value)) is not None
            and _comparison(value) is None
        ):
            found.flipped = found.flipped is not (not sense)
            found.boolean = True if found.boolean is None else found.boolean
            found.compared = True
            found.base = value.args[0]
        else:
            break
    return found


def _cast(value: Value) -> bool | None:
    """Whether the operation makes it boolean (True) or a number (False)."""
    if value.op in {"bool", "torch.BoolTensor"}:
        return True
    if value.op in NUMERIC:
        return False
    if value.op in {"to", "type", "tensor", "as_tensor"}:
        given = [*value.args[1:], *value.kwargs.values()]
        if any(part.op in {"torch.bool", "builtins.bool"} for part in given):
            return True
        if any(
            part.op.startswith(("torch.float", "torch.half", "torch.bfloat16")) or part.op == "dtype"
            for part in given
        ):
            return False
    return False if value.op == "type_as" else None


def _casts(value: Value) -> bool:
    """Whether `mask.to(x)` may change the type; devices do not."""
    given = [*value.args[1:], *value.kwargs.values()] if value.op in {"to", "type"} else []
    return any(
        part.kind is not Kind.CONST and "device" not in part.op and not _DEVICE.search(part.name)
        for part in given
    )


def _whole(index: Value) -> bool:
    """`:`, `None` or `...`: no single item is taken."""
    return index.op == "slice" or index.is_const(None, ...)


def _against_number(value: Value) -> bool | None:
    """`mask == 1` keeps the sense of the mask (True), `mask == 0` turns it (False)."""
    if len(value.args) != 2 or value.args[1].const not in (0, 1, 0.5):
        return None
    number = float(value.args[1].const)
    if value.op in {"eq", "ne"} and number != 0.5:
        return (value.op == "eq") is (number == 1)
    if value.op == "gt" and number < 1:
        return True
    return False if value.op == "lt" and number > 0 else None


def _triangle(value: Value) -> bool | None:
    """`tril(ones)` keeps the past; `triu(ones, 1)` blocks the future."""
    if not value.args or not any(part.op in ONES for part in value.args[0].sources(SAME)):
        return None
    given = (
        value.kwargs.get("diagonal")
        or value.kwargs.get("k")
        or (value.args[1] if len(value.args) > 1 else None)
    )
    diagonal = 0 if given is None else given.const
    if value.op.endswith("tril"):
        return False if diagonal == 0 else None
    return True if diagonal == 1 else None


def _made_boolean(triangle: Value) -> bool | None:
    """Whether `tril(torch.ones(…))` holds booleans; None where a data type is given that is not known."""
    for part in (triangle, *triangle.graph()):
        if "dtype" in part.kwargs:
            kind = part.kwargs["dtype"].op
            return True if kind in {"torch.bool", "builtins.bool"} else False if "float" in kind else None
        if part.op in {"bool", "byte"}:
            return True
        if part.op in {"to", "type", "int", "long"} or part.op.startswith("numpy."):
            return None
    return False if any(part.op == "ones" for part in triangle.graph()) else None


def _comparison(value: Value) -> bool | None:
    """Whether `tokens == pad`, `arange >= lengths` and the like are True at padding."""
    left, right = value.args[0], value.args[1]
    if value.op in {"eq", "ne"}:
        if _names_padding(right) or _names_padding(left) or (right.is_const(0) and _is_empty(left)):
            return value.op == "eq"
        return None
    if _is_range(right) and not _is_range(left):
        left, right, op = right, left, {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}[value.op]
    elif _is_range(left) and not _is_range(right):
        op = value.op
    else:
        return None
    if not any(_LENGTH.search(part.name) for part in right.graph() if part.name) or "start" in right.name:
        return None
    return True if op in {"ge"} else False if op in {"lt"} else None


def _names_padding(value: Value) -> bool:
    return value.kind is not Kind.TENSOR and _PAD.search(value.name) is not None


def _is_empty(value: Value) -> bool:
    """The sum of absolute values or of squares of a row: 0 where it is padding."""
    return (
        value.op in {"sum", "norm"}
        and bool(value.args)
        and (value.op == "norm" or value.args[0].op in {"abs", "square", "pow"})
    )


def _is_range(value: Value) -> bool:
    return any(part.op == "arange" for part in value.sources(SAME | {"getitem"}))
