"""`ScriptModel`: what a reviewer keeps in mind about one file. Rules ask it and never walk the tree again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import libcst as cst

from nnlint.static.attribute_reads import AttributeReads
from nnlint.static.evaluation import Evaluations
from nnlint.static.flow import Flow
from nnlint.static.loops import DataPass, find_passes
from nnlint.static.positions import Place, positions
from nnlint.static.reader import read
from nnlint.static.scan import ClassInfo, FunctionInfo
from nnlint.static.shapes import Shapes
from nnlint.static.sketch import Sketch
from nnlint.static.source import Source
from nnlint.static.state import roots
from nnlint.static.values import Event, EventKind, Fact, Frame, Kind, Value


class ScriptModel:
    """One file, read once.

    `calls`: every call that was read, in order, in its surroundings; a function called twice is read twice.
    `events`: the calls that training is made of. `facts`: assignments, returns and expression statements.
    `loops`, `branches`: loop and `if` frames. `classes`, `functions`: the definitions. `instances`: objects
    of the file's own classes with their attributes. It stands on libcst's tree, or on a sketch of it.
    """

    def __init__(self, source: Source, sketch: Sketch | None = None) -> None:
        self.source = source
        self.sketch = sketch
        self.module = source.parse() if sketch is None else sketch.module
        reader = read(self.module)
        self._reader = reader
        self.calls: list[Value] = reader.calls
        self.events: list[Event] = reader.events
        self.facts: list[Fact] = reader.facts
        self.loops: list[Frame] = reader.loops
        self.branches: list[Frame] = reader.branches
        self.instances: list[Value] = reader.instances
        self.classes: list[ClassInfo] = reader.scan.classes
        self.functions: list[FunctionInfo] = reader.scan.functions
        # False where the file was too large or too entangled to follow every call: absence proves nothing.
        self.complete: bool = not reader.exhausted

    # -- text and places ------------------------------------------------------------------------

    def positions(self, nodes: Iterable[cst.CSTNode]) -> dict[cst.CSTNode, Place]:
        """node -> ((row, column), (end row, end column)); rows from 1, columns from 0."""
        if self.sketch is not None:
            return {node: self.sketch.place(node) for node in nodes}
        return positions(self.module, nodes)

    def text(self, node: cst.CSTNode | None, limit: int = 60) -> str:
        """The code of a node on one line, for messages; shortened in the middle."""
        if node is None:
            return ""
        code = " ".join(self.code(node).split())
        return code if len(code) <= limit else f"{code[: limit - 12]}…{code[-8:]}"

    def code(self, node: cst.CSTNode) -> str:
        """The code of an expression as it is written, its parentheses included, for what a fix puts in."""
        return self.sketch.code(node) if self.sketch else self.module.code_for_node(node)

    def name_of(self, value: Value, default: str = "") -> str:
        """The user's own word for a value: the name it was bound to, else its code."""
        if value.name:
            return value.name
        if isinstance(value.node, cst.BaseExpression):
            return self.text(value.node, 40)
        return default

    def value_of(self, node: cst.CSTNode) -> Value | None:
        """What an expression was when it was last read."""
        return self._reader.evaluated.get(id(node))

    def uses_of(self, name: str) -> set[str]:
        """The attributes that the file reads anywhere from a name (or from `self.<name>`)."""
        scan = self._reader.scan
        tables = [scan.uses, *(f.uses for f in scan.functions), *(c.uses for c in scan.classes)]
        return {attribute for table in tables if name in table for attribute in table[name]}

    @cached_property
    def reads(self) -> AttributeReads:
        """The attributes that the file reads, and those that it fills."""
        return AttributeReads(self.module)

    # -- calls ----------------------------------------------------------------------------------

    @cached_property
    def _by_op(self) -> dict[str, list[Value]]:
        found: dict[str, list[Value]] = {}
        for call in self.calls:
            found.setdefault(call.op, []).append(call)
        return found

    def calls_of(self, *ops: str) -> Iterator[Value]:
        """Calls of these operations (`softmax`) or qualified names (`torch.utils.data.DataLoader`)."""
        for op in sorted(ops):  # some come as a set, whose order is another in each process
            yield from self._by_op.get(op, ())

    @cached_property
    def calls_by_last_name(self) -> dict[str, list[Value]]:
        """The calls by the last part of what they are: `update` for `.update`."""
        found: dict[str, list[Value]] = {}
        for call in self.calls:
            found.setdefault(call.op.rpartition(".")[2], []).append(call)
        return found

    @cached_property
    def facts_by_kind(self) -> dict[str, list[Fact]]:
        found: dict[str, list[Fact]] = {}
        for fact in self.facts:
            found.setdefault(fact.kind, []).append(fact)
        return found

    @cached_property
    def last_changes(self) -> dict[int, int]:
        """id(object) -> when an attribute or item of it was set last."""
        return {id(fact.owner): fact.time for fact in self.facts if fact.owner is not None}

    @cached_property
    def weight_frames(self) -> list[Frame]:
        """Everything around a place where weights are copied or saved."""
        kept = self.events_of(EventKind.STATE_DICT, EventKind.SAVE)
        return list({id(frame): frame for event in kept for frame in event.frame.chain()}.values())

    @cached_property
    def weight_places(self) -> set[int]:
        """ids of these frames and of their nodes."""
        return {id(part) for frame in self.weight_frames for part in (frame, frame.node)}

    def events_of(self, *kinds: EventKind) -> Iterator[Event]:
        wanted = set(kinds)
        return (event for event in self.events if event.kind in wanted)

    @cached_property
    def losses(self) -> list[Event]:
        """Every torch loss that is evaluated: `event.call.op` says which,
        `.args` are prediction and target."""
        return [event for event in self.events if event.kind is EventKind.LOSS]

    @cached_property
    def optimizers(self) -> list[Value]:
        return [
            call for call in self.calls if call.kind is Kind.OPTIMIZER and call.op != "lightning.optimizers"
        ]

    @cached_property
    def passes(self) -> list[DataPass]:
        """The passes over data: training steps and evaluation passes, with their events in order."""
        return find_passes(self.events)

    @cached_property
    def training_passes(self) -> list[DataPass]:
        return [found for found in self.passes if found.trains]

    @cached_property
    def evaluation_passes(self) -> list[DataPass]:
        return [found for found in self.passes if not found.trains]

    @cached_property
    def shapes(self) -> Shapes:
        """The axes of its tensors, as far as the file shows them."""
        return Shapes(self.facts)

    @cached_property
    def flow(self) -> Flow:
        """Which calls take which value."""
        return Flow(self)

    @cached_property
    def evaluations(self) -> Evaluations:
        """The forwards that evaluate, and which modules the file trains."""
        return Evaluations(self)

    # -- modules --------------------------------------------------------------------------------

    def roots(self, module: Value) -> list[Value]:
        """The modules behind wrappers, branches and loops; compare them with `is`."""
        return roots(module)

    def same(self, first: Value | None, second: Value | None) -> bool:
        """Whether two values can be one object (a module and its DataParallel wrapper are)."""
        if first is None or second is None:
            return False
        ids = {id(value) for value in roots(first)}
        return any(id(value) in ids for value in roots(second))
