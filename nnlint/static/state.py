"""What the reader carries along: scopes, surroundings, modes, and what it has recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import libcst as cst

from nnlint.static import duck, torch_api
from nnlint.static.scan import FunctionInfo, Scan
from nnlint.static.values import Event, EventKind, Fact, Frame, Kind, Value

# Calls are followed this deep, and the whole file is read at most this many times over.
DEEPEST_CALL = 14
FOLLOW_LIMIT = 10
FUEL_PER_STATEMENT = 14
FUEL_FLOOR = 3_000


class Scope:
    """The names of one function call, class body or module."""

    __slots__ = ("function", "globals", "outer", "vars")

    def __init__(self, outer: Scope | None, function: FunctionInfo | None = None) -> None:
        self.vars: dict[str, Value] = {}
        self.outer = outer
        self.function = function
        self.globals: set[str] = set()

    def find(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            value = scope.vars.get(name)
            if value is not None:
                return value
            scope = scope.outer
        return None


class ReaderState:
    """The base of the reader: everything that reading expressions, calls and statements shares."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.names: dict[str, Value] = {}
        self.module_scope = Scope(None)
        self.scope = self.module_scope
        self.clock = 0
        self.grad: bool | None = True
        self.modes: dict[int, tuple[str | None, int]] = {}  # id(module) -> train/eval, and since when
        self.unwrapping: set[int] = set()  # wrappers whose module is being applied
        self.module_depth = 0  # how many `forward`s are being followed
        self.active: list[FunctionInfo] = []
        self.returns: list[list[Value]] = []
        self.fuel = FUEL_FLOOR + FUEL_PER_STATEMENT * scan.statements
        self.exhausted = False
        self.depth = 0
        self.stars: list[str] = []
        self.calls: list[Value] = []
        self.events: list[Event] = []
        self.facts: list[Fact] = []
        self.loops: list[Frame] = []
        self.branches: list[Frame] = []
        self.instances: list[Value] = []  # objects of the file's own classes, modules among them
        self.places: dict[tuple[int, str], Frame] = {}  # where an attribute was set last
        self.evaluated: dict[int, Value] = {}  # id(expression) -> its value when it was last read
        self.frame = Frame("module", cst.Name("module"), None, 0)

    # -- time and place -------------------------------------------------------------------------

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    @contextmanager
    def within(self, frame: Frame) -> Iterator[Frame]:
        before = self.frame
        self.frame = frame
        try:
            yield frame
        finally:
            self.frame = before

    def make(
        self,
        kind: Kind,
        op: str,
        node: cst.CSTNode | None,
        args: Iterable[Value] = (),
        kwargs: dict[str, Value] | None = None,
        receiver: Value | None = None,
        const: Any = None,
    ) -> Value:
        """A new value, here and now."""
        self.clock += 1
        return Value(kind, op, node, args, kwargs, receiver, const, self.frame, self.clock, self.grad)

    def record_call(self, value: Value) -> Value:
        self.calls.append(value)
        return value

    def event(self, kind: EventKind, call: Value, target: Value | None, mode: str | None = None) -> None:
        found = Event(kind, call, target, self.frame, mode, self.grad)
        self.events.append(found)
        frame: Frame | None = self.frame
        while frame is not None:
            if frame.kind == "loop":
                frame.events.append(found)
            frame = frame.parent

    def fact(
        self,
        kind: str,
        node: cst.CSTNode,
        name: str,
        value: Value,
        owner: Value | None = None,
        target: Value | None = None,
    ) -> None:
        found = Fact(kind, node, name, value, self.frame, self.tick(), owner, target)
        self.facts.append(found)
        frame: Frame | None = self.frame
        while frame is not None:
            if frame.kind == "loop":
                frame.facts.append(found)
            frame = frame.parent

    # -- names ----------------------------------------------------------------------------------

    def named(self, name: str) -> Value:
        """The value for an imported or built-in thing of this qualified name."""
        name = torch_api.canonical(name)
        value = self.names.get(name)
        if value is None:
            const = _CONSTANTS.get(name)
            kind = Kind.CONST if const is not None else Kind.NAME
            value = self.names[name] = Value(kind, name, None, const=const)
        return value

    def uses(self, name: str) -> set[str]:
        scope: Scope | None = self.scope
        found: set[str] = set()
        while scope is not None:
            source = scope.function.uses if scope.function is not None else self.scan.uses
            if name in source:
                found |= source[name]
            if name in scope.vars:
                break
            scope = scope.outer
        return found

    def bind(self, name: str, value: Value) -> None:
        """`name = value` in the current scope."""
        if name in self.scope.globals:
            self.module_scope.vars[name] = self.merged_global(name, value)
        else:
            self.scope.vars[name] = value
        if not value.name:
            value.name = name
        if value.kind is Kind.UNKNOWN and not value.alts:
            kind = duck.kind_by_use(name, self.uses(name))
            if kind is not None:
                value.kind = kind

    def merged_global(self, name: str, value: Value) -> Value:
        before = self.module_scope.vars.get(name)
        if before is not None and before.op == "phi":
            before.alts.append(value)
            return before
        return self.phi([before, value] if before is not None else [value])

    def phi(self, alternatives: list[Value]) -> Value:
        """A value that changes as the script runs; more alternatives may be added later."""
        known = [value for value in alternatives if not value.is_const(None)]
        kinds = {value.kind for value in known}
        kind = kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN
        value = self.make(
            Kind.NUMBER if kind is Kind.CONST and isinstance(known[0].const, (int, float)) else kind,
            "phi",
            None,
        )
        if value.kind is Kind.CONST:
            value.kind = Kind.UNKNOWN
        value.alts = alternatives
        value.name = alternatives[0].name
        value.cls = known[0].cls if known else None
        return value

    # -- modes ----------------------------------------------------------------------------------

    def mode_of(self, module: Value) -> str | None:
        """ "train" or "eval" where the file shows the last call that decided it; a fresh module trains."""
        latest: tuple[str | None, int] | None = None
        for root in roots(module):
            current: Value | None = root
            for _ in range(8):
                if current is None:
                    break
                found = self.modes.get(id(current))
                if found is not None and (latest is None or found[1] > latest[1]):
                    latest = found
                current = current.owner
        return latest[0] if latest is not None else None

    def set_mode(self, module: Value, mode: str | None) -> None:
        for root in roots(module):
            self.modes[id(root)] = (mode, self.tick())


def adopt(owner: Value, module: Value) -> None:
    """`owner` registers `module`: from now on it is part of it, unless something else had it first."""
    for part in module.alternatives():
        if part.owner is None and part is not owner:
            part.owner = owner


def roots(module: Value) -> list[Value]:
    """The modules themselves behind wrappers (DataParallel, compile), branches and loops."""
    found: list[Value] = []
    seen: set[int] = set()
    stack = [module]
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value.alts:
            stack.extend(value.alts)
        elif value.op in torch_api.WRAPPERS and value.args:
            stack.append(value.args[0])
        elif not value.is_const(None):
            found.append(value)
    return found


_CONSTANTS: dict[str, float] = {
    "math.inf": float("inf"), "numpy.inf": float("inf"), "torch.inf": float("inf"), "numpy.Inf": float("inf"),
    "numpy.Infinity": float("inf"), "math.pi": 3.141592653589793, "numpy.pi": 3.141592653589793,
    "torch.pi": 3.141592653589793,
}  # fmt: skip
