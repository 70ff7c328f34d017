"""What the reader knows of each expression: a graph of frozen-in-spirit `Value`s.

A script is read as torch would trace it: every call becomes a node that points at the values it was made
from, with its place (`node`), its surroundings (`frame`) and its moment (`time`). `x.softmax(1)`,
`F.softmax(x, dim=1)`, `torch.softmax(x, 1)` and `nn.Softmax(1)(x)` all become the operation `softmax`
over `x`; `a / b`, `torch.div(a, b)` and `a.div(b)` all become `div`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.scan import ClassInfo, FunctionInfo


class Kind(Enum):
    """What a value is, as far as the file shows."""

    __hash__ = object.__hash__  # as of EventKind

    UNKNOWN = "unknown"
    CONST = "const"  # a number, string, bool or None; `const` holds it
    NUMBER = "number"  # a Python number whose value is not known
    TENSOR = "tensor"
    SIZE = "size"  # one dimension or a whole shape of a tensor
    PARAMETER = "parameter"
    PARAMETERS = "parameters"  # what `model.parameters()` gives
    MODULE = "module"
    OPTIMIZER = "optimizer"
    SCHEDULER = "scheduler"
    SCALER = "scaler"
    LOADER = "loader"
    DATASET = "dataset"
    STATE_DICT = "state_dict"
    SEQUENCE = "sequence"  # tuple, list or set; `args` are the items
    MAPPING = "mapping"  # dict; `attrs` are the items with constant keys
    FUNCTION = "function"
    CLASS = "class"
    INSTANCE = "instance"  # an object of a class of this file that is no nn.Module
    NAME = "name"  # something imported; `op` is its qualified name
    CONTEXT = "context"  # `torch.no_grad()` and the like


class Frame:
    """One level of the surroundings: a loop, a branch, a `with`, or a call being followed."""

    __slots__ = ("branch", "events", "facts", "function", "guard", "kind", "node", "parent", "start", "value")

    def __init__(
        self,
        kind: str,
        node: cst.CSTNode,
        parent: Frame | None,
        start: int,
        value: Value | None = None,
        branch: bool = True,
        function: FunctionInfo | None = None,
        guard: bool = False,
    ) -> None:
        self.kind = kind  # "module", "function", "loop", "comprehension", "if", "with", "try"
        self.node = node
        self.parent = parent
        self.start = start
        self.value = value  # loop: what is iterated; if: the test; with: the context manager
        self.branch = branch
        self.function = function
        self.guard = guard  # the rest of a block after `if …: continue` (or return)
        self.events: list[Event] = []  # loops only: every event inside, in order
        self.facts: list[Fact] = []  # loops only: every assignment inside, in order

    def chain(self) -> Iterator[Frame]:
        """This frame and the ones around it, innermost first."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent

    def inside(self, other: Frame) -> bool:
        return any(frame is other for frame in self.chain())

    def loop(self) -> Frame | None:
        """The innermost loop around, through calls."""
        return next((frame for frame in self.chain() if frame.kind == "loop"), None)

    def loops(self) -> list[Frame]:
        return [frame for frame in self.chain() if frame.kind == "loop"]

    def tests(self, until: Frame | None = None) -> list[Frame]:
        """The `if` frames between here and `until` (not included), innermost first."""
        found = []
        for frame in self.chain():
            if frame is until:
                break
            if frame.kind == "if":
                found.append(frame)
        return found

    def functions(self) -> list[FunctionInfo]:
        """The functions being followed, innermost first."""
        return [frame.function for frame in self.chain() if frame.function is not None]


class Value:
    """One thing the script computes or names."""

    __slots__ = (
        "alts", "args", "attrs", "cls", "const", "element", "frame", "function", "grad", "kind", "kwargs",
        "name",
        "node", "op", "owner", "receiver", "result", "time",
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        op: str,
        node: cst.CSTNode | None,
        args: Iterable[Value] = (),
        kwargs: dict[str, Value] | None = None,
        receiver: Value | None = None,
        const: Any = None,
        frame: Frame | None = None,
        time: int = 0,
        grad: bool | None = True,
    ) -> None:
        self.kind = kind
        self.op = op
        self.node = node
        self.args: list[Value] = args if type(args) is list else list(args)
        self.kwargs: dict[str, Value] = kwargs if kwargs is not None else {}
        self.receiver = receiver  # the module, optimizer, loader … that was called
        self.const = const
        self.frame = frame
        self.time = time
        self.grad = grad  # whether autograd records here; None where the file does not say
        self.alts: list[Value] = []  # what it may be, where branches or loop turns meet (`join`, `phi`)
        self.attrs: dict[str, Value] = {}  # of an object or mapping
        self.cls: ClassInfo | None = None
        self.function: FunctionInfo | None = None
        self.result: Value | None = None  # what the followed `forward` returned
        self.element: Value | None = None  # what iterating gives, where all items are alike
        self.name = ""  # the first name it was bound to, as the user wrote it
        self.owner: Value | None = None  # the module whose attribute this module is

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.op}{' ' + self.name if self.name else ''}>"

    # -- asking ---------------------------------------------------------------------------------

    @property
    def input(self) -> Value | None:
        """The first operand: the tensor an operation works on."""
        return self.args[0] if self.args else None

    def is_const(self, *values: Any) -> bool:
        """Whether it is known to be one of these constants (`True` is not 1 here)."""
        return self.kind is Kind.CONST and any(
            self.const is v or (self.const == v and type(self.const) is type(v)) for v in values
        )

    def alternatives(self) -> list[Value]:
        """What it can be where branches or loop turns meet; itself otherwise."""
        if not self.alts:
            return [self]
        found: list[Value] = []
        seen: set[int] = set()
        stack = [self]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if value.alts:
                stack.extend(reversed(value.alts))
            else:
                found.append(value)
        return found

    def sources(self, through: Callable[[Value], bool] | frozenset[str] = frozenset()) -> Iterator[Value]:
        """What stands behind it: all alternatives, looking through module calls that were followed, and
        through the operations in `through` to their first operand."""
        passes = through if callable(through) else (lambda value: value.op in through)
        seen: set[int] = set()
        stack = [self]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if value.alts:
                stack.extend(reversed(value.alts))
            elif value.result is not None:
                stack.append(value.result)
            elif passes(value) and value.args:
                stack.append(value.args[0])
            else:
                yield value

    def made_from(self) -> list[Value]:
        """What it was directly computed from: alternatives, what a followed `forward` gave, or operands."""
        if self.result is not None:
            return [*self.alts, self.result]
        items = self.attrs.values() if self.kind is Kind.MAPPING else ()
        return [*self.alts, *self.args, *self.kwargs.values(), *items]

    def graph(self, stop: Callable[[Value], bool] | None = None) -> Iterator[Value]:
        """It and everything it was computed from, nearest first; `stop` says where not to go further."""
        seen: set[int] = set()
        level = [self]
        while level:
            below: list[Value] = []
            for value in level:
                if id(value) in seen:
                    continue
                seen.add(id(value))
                yield value
                if stop is not None and stop(value):
                    continue
                # As `made_from` has it, without its lists: most values have but operands.
                if value.alts:
                    below += value.alts
                if value.result is not None:
                    below.append(value.result)
                    continue
                below += value.args
                if value.kwargs:
                    below += value.kwargs.values()
                if value.kind is Kind.MAPPING:
                    below += value.attrs.values()
            level = below

    def derives_from(self, others: Iterable[Value], stop: Callable[[Value], bool] | None = None) -> bool:
        wanted = {id(other) for other in others}
        return any(id(value) in wanted for value in self.graph(stop))


class EventKind(Enum):
    """The moments that training is made of."""

    __hash__ = object.__hash__  # Enum's own is Python: a call for each look into a set

    FORWARD = "forward"  # a root module called on data
    LOSS = "loss"  # a torch loss evaluated; `call.args` are prediction and target
    BACKWARD = "backward"  # target: the value it is called on
    GRAD = "grad"  # torch.autograd.grad
    ZERO_GRAD = "zero_grad"  # target: optimizer, module or parameter
    STEP = "step"  # target: optimizer
    SCHEDULER_STEP = "scheduler_step"
    CLIP = "clip"  # target: the parameters argument
    UNSCALE = "unscale"
    SCALER_UPDATE = "scaler_update"
    EVAL = "eval"  # target: module
    TRAIN = "train"
    STATE_DICT = "state_dict"
    LOAD_STATE = "load_state"
    SAVE = "save"
    FREEZE = "freeze"  # requires_grad = False; target: parameters or module
    UNFREEZE = "unfreeze"
    SET_EPOCH = "set_epoch"
    OPAQUE = "opaque"  # a call the file does not show that was handed a module, optimizer or loader


class Event:
    """One such moment, in its surroundings."""

    __slots__ = ("call", "frame", "grad", "kind", "mode", "target", "time")

    def __init__(
        self,
        kind: EventKind,
        call: Value,
        target: Value | None,
        frame: Frame,
        mode: str | None,
        grad: bool | None,
    ) -> None:
        self.kind = kind
        self.call = call
        self.target = target
        self.frame = frame
        # What one of several modules returned has no moment of its own.
        self.time = call.time or max((part.time for part in call.alts), default=0)
        self.mode = mode  # FORWARD: "train", "eval" or None where the file does not say
        self.grad = grad

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.target!r}>"


class Fact:
    """One statement of interest: `kind` is "name", "attribute", "subscript", "augmented", "expression",
    "return"
    or "del"."""

    __slots__ = ("frame", "kind", "name", "node", "owner", "target", "time", "value")

    def __init__(
        self,
        kind: str,
        node: cst.CSTNode,
        name: str,
        value: Value,
        frame: Frame,
        time: int,
        owner: Value | None = None,
        target: Value | None = None,
    ) -> None:
        self.kind = kind
        self.node = node  # the statement
        self.name = name  # the name or attribute that is set; "" for a subscript
        self.value = value  # what is assigned, or evaluated
        self.frame = frame
        self.time = time
        self.owner = owner  # the object whose attribute or item is set
        self.target = target  # augmented: the value before


def join(values: Iterable[Value]) -> Value | None:
    """One value for several alternatives; None for none."""
    found: list[Value] = []
    for value in values:
        if not any(value is other for other in found):
            found.append(value)
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    kinds = {value.kind for value in found if not value.is_const(None)}
    joined = Value(kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN, "join", found[-1].node)
    if joined.kind is Kind.CONST:
        joined.kind = Kind.UNKNOWN
    joined.alts = found[:12]
    joined.name = next((value.name for value in found if value.name), "")
    joined.cls = next((value.cls for value in found if value.cls), None)
    return joined
