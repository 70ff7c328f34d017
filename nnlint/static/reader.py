"""Reads a whole file: module level first, then whatever nothing has called."""

from __future__ import annotations

import sys

import libcst as cst

from nnlint.static.functions import LIGHTNING_STEPS
from nnlint.static.scan import ClassInfo, Scan, scan
from nnlint.static.statements import StatementReader

# Deep enough for nested expressions inside followed calls.
RECURSION = 12_000


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
            reader.read_alone(info, None)
    _read_classes(reader, found)  # those that stand in a function
    for info in found.functions:
        if info.reads == 0 and (info.cls is None or info.outer is not None):
            reader.read_alone(info, None)


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
    this = existing[-1] if existing else reader.unknown_instance(cls)
    order = {name: position for position, name in enumerate(("forward", *LIGHTNING_STEPS))}
    called = {name for part in cls.lineage() for name, uses in part.uses.items() if "()" in uses}
    unread.sort(key=lambda method: (order.get(method.name, 9), method.name in called))
    for method in unread:
        if method.reads == 0:
            reader.read_alone(method, None if method.decorated("staticmethod") else this)
