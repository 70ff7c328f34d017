"""A small symbolic shape reader: the axes of a tensor, as far as the file shows them.

Asked for on demand and remembered; what is not known stays unknown (`None`).
"""

from __future__ import annotations

from itertools import islice

import libcst as cst

from nnlint.static import torch_api
from nnlint.static.arguments import argument, constant, surely_absent
from nnlint.static.arrays import ARRAYS, from_frame
from nnlint.static.axes import Axis, Factor, Shape, divide, flat, simplify, total
from nnlint.static.outputs import mapped, recurrent, spatial
from nnlint.static.rearrange import HANDLERS, argument_of, fresh
from nnlint.static.samples import Samples, batch_axis
from nnlint.static.values import Fact, Kind, Value

# Operations whose result has the shape of their first operand.
POINTWISE = torch_api.RELABEL | {
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "prelu", "sigmoid",
    "tanh", "softplus", "hardtanh", "hardswish", "hardsigmoid", "logsigmoid", "softmax", "log_softmax",
    "softmin", "exp", "log", "log1p", "sqrt", "rsqrt", "abs", "neg", "square", "clamp", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "batch_norm", "layer_norm", "group_norm",
    "instance_norm", "rms_norm", "normalize", "detach", "masked_fill", "pow", "sin", "cos",
    "nan_to_num", "zeros_like", "ones_like", "rand_like", "randn_like", "round", "floor", "ceil",
    "sign", "cumsum", "long", "int", "bool", "softsign", "local_response_norm", "logical_not",
    "multihead_attention", "transformer_encoder", "transformer_encoder_layer", "transformer_decoder",
    "transformer_decoder_layer",
}  # fmt: skip
BINARY = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"})
REDUCTIONS = frozenset({
    "sum", "mean", "prod", "amax", "amin", "max_values", "min_values", "argmax", "argmin", "logsumexp",
    "std", "var", "norm", "any", "all",
})  # fmt: skip
RECURRENT_STATES = frozenset({"lstm_state", "gru_state", "rnn_state"})
POOLS = frozenset({"max_pool", "avg_pool", "lp_pool"})
NEW = frozenset({"zeros", "ones", "rand", "randn", "empty"})


class Shapes:
    """The shapes of one script's tensors."""

    def __init__(self, facts: list[Fact]) -> None:
        self._known: dict[int, Shape | None] = {}
        self._active: set[int] = set()
        self._ranks: dict[int, int] = {}
        self._names: dict[Factor, str] = {}
        self.varying: set[Factor] = set()  # numbers that each turn of a loop may change
        self._samples = Samples(facts)
        self._batches: dict[int, Value] = {}  # id(member of a batch) -> the batch
        self._images: set[int] = set()  # what a convolution reads: its axis 0 is the batch
        self.raw: dict[int, Value] = {}  # the tensors whose sizes are symbols
        for fact in facts:  # `b, t, c = x.shape` says how many axes x has
            if fact.value.op == "size" and isinstance(fact.node, cst.Assign):
                target = fact.node.targets[0].target
                if isinstance(target, (cst.Tuple, cst.List)) and not any(
                    isinstance(element, cst.StarredElement) for element in target.elements
                ):
                    self._ranks[id(origin(fact.value.args[0]))] = len(target.elements)

    # -- asking ---------------------------------------------------------------------------------

    def of(self, value: Value | None) -> Shape | None:
        """The axes of a tensor; None where not even their number is known."""
        if value is None:
            return None
        value = origin(value)
        key = id(value)
        if key in self._known:
            return self._known[key]
        if key in self._active or len(self._active) > 200:
            return None
        self._active.add(key)
        try:
            found = self._read(value)
        finally:
            self._active.discard(key)
        rank = self._ranks.get(key)
        if rank is not None and (found is None or len(found) != rank):
            found = self.symbols(value, rank)
        self._known[key] = found
        return found

    def rank(self, value: Value) -> int | None:
        shape = self.of(value)
        return len(shape) if shape is not None else None

    def describe(self, axis: Axis) -> str:
        """An axis in the user's words."""
        return " * ".join(str(f) if isinstance(f, int) else self._names.get(f, "…") for f in axis) or "1"

    def layout(self, shape: Shape) -> str:
        return f"({', '.join(map(self.describe, shape))})"

    def rows(self, axis: Axis) -> Axis:
        """An axis as such; the first one of every member of a batch is the same."""
        if len(axis) == 1 and isinstance(axis[0], tuple) and axis[0][0] == "size" and axis[0][2] == 0:
            batch = self._batches.get(axis[0][1])  # type: ignore[call-overload]
            return (("batch", id(batch)),) if batch is not None else axis
        return axis

    def samples_lead(self, value: Value) -> bool:
        """Whether axis 0 is the batch of a `DataLoader`, as its `collate_fn` makes it, or that of images."""
        shape = self.of(value)
        if shape is None:
            items = [item for item in value.graph(lambda v: v.op == "batch_item") if item.op == "batch_item"]
            known = all(batch_axis(item) or self._samples.padded(item) for item in items)
            return bool(items) and known and self.batch_leads(value)
        factor = self.rows(shape[0])[0] if shape and shape[0] else None
        return isinstance(factor, tuple) and (
            factor[0] == "batch" or (factor[0] == "size" and factor[1] in self._images and factor[2] == 0)
        )

    def note_images(self, value: Value) -> None:
        """A convolution reads it, so its axis 0 is the batch."""
        self._images.add(id(origin(value)))

    def amount(self, value: Value) -> Axis:
        """A number or size as a product of factors."""
        axis = self._amount(value)
        if value.name and len(axis) == 1:
            self._names.setdefault(axis[0], value.name)
        return axis

    def _amount(self, value: Value) -> Axis:
        if value.kind is Kind.CONST:
            if type(value.const) is int and value.const > 0:
                return () if value.const == 1 else (value.const,)
        elif value.op == "phi" and len(value.alts) == 1:
            return self.amount(value.alts[0])
        elif value.op == "size" and len(value.args) == 2 and value.args[1].kind is Kind.CONST:
            return self._size(value.args[0], value.args[1].const)
        elif value.op == "mul" and len(value.args) == 2:
            return simplify((*self.amount(value.args[0]), *self.amount(value.args[1])))
        elif value.op == "floor_divide" or (
            value.op == "int" and value.args and value.args[-1].op in {"div", "floor_divide"}
        ):
            quotient = value if value.op == "floor_divide" else value.args[-1]
            return divide(self.amount(quotient.args[0]), self.amount(quotient.args[1]))
        if any(map(_changes, islice(value.graph(), 100))):
            self.varying.add(("value", id(value)))
        return (("value", id(value)),)

    def last(self, value: Value | None) -> Axis | None:
        """The last axis, known more often than the whole shape."""
        for _ in range(30):
            if value is None:
                return None
            value = origin(value)
            shape = self.of(value)
            if shape:
                return shape[-1]
            if value.op == "linear":
                features = argument(value, "out_features")
                return self.amount(features) if features is not None else None
            if value.op == "cat" and constant(value, "dim", 0) == -1 and value.args[0].kind is Kind.SEQUENCE:
                parts = value.args[0]
                return total([self.last(part) for part in parts.args]) if parts.element is None else None
            if value.op not in POINTWISE or not value.args:
                return None
            value = value.args[0]
        return None

    def batch_leads(self, value: Value | None, met: frozenset[int] = frozenset()) -> bool:
        """Whether axis 0 surely runs over samples: it comes from a loader, or a layer reads it so.

        `met`: the values of loops that are being followed, whose turns keep what the first one was given.
        """
        for _ in range(60):
            if value is None or id(value) in met:
                return value is not None
            value = origin(value)
            op = value.op
            if value.alts:
                if id(value) in met:
                    return True
                inside = met | {id(value)}
                return len(met) < 6 and all(self.batch_leads(part, inside) for part in value.alts)
            if op == "batch_item":
                return True
            if op.startswith(("conv", "max_pool", "avg_pool", "adaptive_")) or op == "batch_norm":
                return True
            if op in {"lstm", "gru", "rnn"} and value.kind is Kind.TENSOR:
                return constant(value, "batch_first") is True
            state = origin(value.args[0]) if op in {"squeeze", "getitem"} and len(value.args) == 2 else None
            if state is not None and state.op in RECURRENT_STATES:
                # (layers, batch, features), whatever comes first in the input
                return constant(state, "batch_first") is True
            shape = self.of(value)
            if op == "module_call" and value.result is None:
                value = value.args[0] if value.args else None  # a model gives one row for each of its input
            elif op in {"view", "reshape"} and len(value.args) > 1:
                first = value.args[1]
                if first.op != "size" or len(first.args) != 2 or not first.args[1].is_const(0):
                    return False
                value = first.args[0]
            elif (
                (op == "flatten" and constant(value, "start_dim", 0) == 1)
                or op in POINTWISE
                or op in {"linear", "embedding", "gru_cell", "rnn_cell"}
                or (op == "squeeze" and _number(constant(value, "dim", 0)) not in (None, 0))
                or (op == "matmul" and value.args and value.args[0].op == "unsqueeze")
            ):
                value = value.args[0] if value.args else None
            elif op == "embedding_bag":
                value = value.args[-1] if value.args else None  # a bag each offset, or each row
            elif (
                (
                    op in REDUCTIONS
                    and shape is not None
                    and _number(constant(value, "dim")) not in (None, 0, -len(shape))
                )
                or (op == "getitem" and value.args[1].op == "slice" and value.args[1].args[0].is_const(None))
                or op == "bmm"
                or (op == "unsqueeze" and (_number(constant(value, "dim")) or 0) > 0)
            ):
                value = value.args[0]
            elif op in {"add", "sub", "mul", "div", "cat"} and value.args:
                first = value.args[0]
                value = first.args[0] if first.kind is Kind.SEQUENCE and first.args else first
            else:
                return False
        return False

    # -- reading --------------------------------------------------------------------------------

    def _size(self, tensor: Value, position: object) -> Axis:
        shape = self.of(tensor)
        if type(position) is not int:
            return (("value", id(tensor), str(position)),)
        if shape is not None and -len(shape) <= position < len(shape):
            return shape[position]
        return (("size", id(origin(tensor)), position),)

    def symbols(self, value: Value, rank: int) -> Shape:
        """So many axes, all symbols."""
        value = origin(value)
        self.raw[id(value)] = value
        return tuple((("size", id(value), i),) for i in range(rank))

    def _read(self, value: Value) -> Shape | None:
        op = value.op
        if value.alts:
            shapes = {self.of(part) for part in value.alternatives()} if op != "phi" else {None}
            return shapes.pop() if len(shapes) == 1 else None
        if op == "batch_item":
            self._batches[id(value)] = value.args[0]
            return self._samples.in_batch(self, value)
        if op in ARRAYS and (value.args or value.receiver is not None or value.kwargs):
            return ARRAYS[op](self, value)
        if not value.args:
            return None
        if op == "getitem":
            found = from_frame(self, value)
            if found is not None:
                return found
        if op in POINTWISE or (op.endswith("_") and op[:-1] in POINTWISE):
            return self.of(value.args[0])
        if op in REDUCTIONS:
            return self._reduced(value)
        if op in {"view", "reshape"}:
            return self.given(value, value.args[1:], self.of(value.args[0]))
        if op in {"linear", "embedding"}:
            return mapped(self, value)
        if op in HANDLERS:
            return HANDLERS[op](self.of, value)
        if op in BINARY:
            return self._binary(value)
        if op.startswith(("conv", "adaptive_")) or op[:-2] in POOLS:
            return spatial(self, value)
        if op in {"lstm", "gru", "rnn", "lstm_state", "gru_state", "rnn_state"}:
            return recurrent(self, value)
        if op in NEW:
            return self.given(value, value.args, None)
        return None

    def _binary(self, value: Value) -> Shape | None:
        if len(value.args) < 2:
            return None
        left, right = value.args[:2]
        if right.kind in (Kind.CONST, Kind.NUMBER, Kind.SIZE):
            return self.of(left)
        if left.kind in (Kind.CONST, Kind.NUMBER, Kind.SIZE):
            return self.of(right)
        first, second = self.of(left), self.of(right)
        if first is not None and second is None and right.kind is not Kind.TENSOR:
            # `scores * self.scale`; a parameter of unknown size may widen an axis of size 1.
            return first if all(first) or right.kind is not Kind.PARAMETER else None
        if first is None or second is None:
            return None
        if len(first) < len(second):
            first, second = second, first
        offset = len(first) - len(second)
        return tuple(axis or (second[i - offset] if i >= offset else axis) for i, axis in enumerate(first))

    def _reduced(self, value: Value) -> Shape | None:
        shape = self.of(value.args[0])
        if surely_absent(value, "dim") and len(value.args) == (2 if value.op == "norm" else 1):
            return ()
        dim = argument_of(value, "dim", 2 if value.op == "norm" else 1)
        if shape is None or dim is None:
            return None
        dims = [part.const for part in (dim.args if dim.kind is Kind.SEQUENCE else [dim])]
        if not all(type(d) is int and -len(shape) <= d < len(shape) for d in dims):
            return None
        gone = {d % len(shape) for d in dims}
        keep = argument_of(value, "keepdim", 2)
        if keep is not None and keep.const is True:
            return tuple(() if i in gone else axis for i, axis in enumerate(shape))
        return (
            tuple(axis for i, axis in enumerate(shape) if i not in gone)
            if keep is None or keep.const is False
            else None
        )

    def given(self, value: Value, sizes: list[Value], source: Shape | None) -> Shape | None:
        """The axes that `view(b, -1, c)` or `zeros(b, t)` name."""
        if len(sizes) == 1 and sizes[0].kind is Kind.SEQUENCE and sizes[0].element is None:
            sizes = sizes[0].args
        elif len(sizes) == 1 and (
            sizes[0].kind is not Kind.CONST and sizes[0].op in {"shape", "size", "star"}
        ):
            return self.of(sizes[0].args[0]) if sizes[0].op == "shape" else None
        if not sizes or any(size.op == "star" or size.kind is Kind.SEQUENCE for size in sizes):
            return None
        shape = [fresh(value, i) if size.is_const(-1) else self.amount(size) for i, size in enumerate(sizes)]
        unknown = [i for i, size in enumerate(sizes) if size.is_const(-1)]
        if len(unknown) == 1 and source is not None:
            rest = divide(
                flat(source), tuple(f for i, axis in enumerate(shape) if i not in unknown for f in axis)
            )
            if not any(isinstance(f, tuple) and f[0] == "//" for f in rest):
                shape[unknown[0]] = rest
        return tuple(shape)

    def view(self, value: Value) -> tuple[Shape, list[Axis | None]] | None:
        """What a `view` or `reshape` starts from, as far as known, and what it names; None for -1."""
        named = self.given(value, value.args[1:], None)
        if named is None:
            return None
        sizes = value.args[1].args if len(named) != len(value.args) - 1 else value.args[1:]
        target = [None if i < len(sizes) and sizes[i].is_const(-1) else axis for i, axis in enumerate(named)]
        source = self.of(value.args[0])
        if source is None:
            key = id(origin(value.args[0]))
            mentioned = [
                f[2] for axis in target for f in axis or () if isinstance(f, tuple) and f[:2] == ("size", key)
            ]
            highest = max((i for i in mentioned if isinstance(i, int)), default=-1)
            source = (*((("size", key, i),) for i in range(highest + 1)), (("rest", key),))
        return source, target


def origin(value: Value) -> Value:
    """The tensor itself, behind followed forwards and what only relabels it."""
    for _ in range(50):
        if value.result is not None:
            value = value.result
        elif value.op in torch_api.RELABEL and value.args and not value.alts:
            value = value.args[0]
        else:
            break
    return value


def _changes(value: Value) -> bool:
    """Whether a number is made anew in each turn of a loop."""
    return value.op in {"phi", "element", "index"} or (
        value.frame is not None
        and any(frame.kind in {"loop", "comprehension"} for frame in value.frame.chain())
    )


def _number(value: object) -> int | None:
    return value if type(value) is int else None
