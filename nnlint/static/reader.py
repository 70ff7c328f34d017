"""Reads a whole file: module level first, then whatever nothing has called."""

from __future__ import annotations

import sys

import libcst as cst

from nnlint.static.scan import ClassInfo, FunctionInfo, Scan, scan
from nnlint.static.statements import StatementReader
from nnlint.static.values import Frame, Kind, Value

# Deep enough for nested expressions inside followed calls.
RECURSION = 12_000

# The steps of a LightningModule, in the order in which the trainer calls them.
LIGHTNING_STEPS = ("configure_optimizers", "training_step", "validation_step", "test_step", "predict_step")


def read(module: cst.Module) -> StatementReader:
    """The reader after it has read everything once."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION))
    try:
        reader = StatementReader(scan(module))
        reader.block(module.body)
        _read_the_rest(reader)
        return reader
    finally:
        sys.setrecursionlimit(limit)


def _read_the_rest(reader: StatementReader) -> None:
    found: Scan = reader.scan
    _read_classes(reader, found)
    for info in found.functions:
        if info.cls is None and info.reads == 0 and found.mentioned.get(info.name, 0) == 0:
            _read_alone(reader, info, None)
    _read_classes(reader, found)  # those that stand in a function
    for info in found.functions:
        if info.reads == 0 and (info.cls is None or info.outer is not None):
            _read_alone(reader, info, None)


def _read_classes(reader: StatementReader, found: Scan) -> None:
    for cls in found.classes:
        if cls.bases or not cls.node.bases:
            _read_class(reader, cls)


def _read_class(reader: StatementReader, cls: ClassInfo) -> None:
    """Its methods that no call has reached, on an object of its own where none was made."""
    unread = [method for method in cls.methods.values() if method.reads == 0]
    if not unread:
        return
    existing = [value for value in reader.instances if value.cls is cls]
    this = existing[-1] if existing else _unknown_instance(reader, cls)
    order = {name: position for position, name in enumerate(("forward", *LIGHTNING_STEPS))}
    called = {name for part in cls.lineage() for name, uses in part.uses.items() if "()" in uses}
    unread.sort(key=lambda method: (order.get(method.name, 9), method.name in called))
    for method in unread:
        if method.reads == 0:
            _read_alone(reader, method, None if method.decorated("staticmethod") else this)


def _unknown_instance(reader: StatementReader, cls: ClassInfo) -> Value:
    kind = Kind.MODULE if cls.is_module else Kind.DATASET if cls.is_dataset else Kind.INSTANCE
    this = reader.make(kind, f".{cls.name}", cls.node)
    this.cls = cls
    this.name = "self"
    if kind is Kind.MODULE and not cls.is_lightning:
        reader.modes[id(this)] = (None, reader.tick())
    reader.instances.append(this)
    init = cls.method("__init__")
    if init is not None and init.reads < 4:
        _read_alone(reader, init, this)
    return this


def _read_alone(reader: StatementReader, info: FunctionInfo, this: Value | None) -> None:
    """A function that the file does not call: parameters are what annotation, use and name say."""
    if reader.fuel <= 0:
        reader.fuel = 200  # each function is looked at, however large the file
    function = reader.function_value(info, info.node)
    function.receiver = this
    arguments: list[Value] = []
    parameters = info.parameters[1:] if this is not None else info.parameters
    steps = info.cls is not None and info.cls.is_lightning and info.name in LIGHTNING_STEPS[1:]
    keyword: dict[str, Value] = {}
    for position, parameter in enumerate(parameters):
        if parameter.star:
            break
        value = reader.unknown_parameter(info, parameter)
        if steps and position == 0:
            loader = reader.make(
                Kind.LOADER, "lightning.loader", parameter.node, const=info.name.partition("_")[0]
            )
            value = reader.make(Kind.UNKNOWN, "batch", parameter.node, [loader])
            value.name = parameter.name
        if parameter.keyword_only:
            keyword[parameter.name] = value
        else:
            arguments.append(value)
    frame = reader.frame
    depth = reader.module_depth
    grad = reader.grad
    reader.frame = Frame("module", info.node, None, reader.tick())
    reader.grad = not steps or info.name == "training_step"
    reader.module_depth = 1 if info.name == "forward" and this is not None else 0
    try:
        reader.call_function(function, arguments, keyword, info.node)
    finally:
        reader.frame, reader.module_depth, reader.grad = frame, depth, grad
        info.reads = max(info.reads, 1)
