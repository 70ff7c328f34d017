"""Which attributes a file reads from anything, and which it only initialises."""

from __future__ import annotations

import re

import libcst as cst

from nnlint.static.walk import children, descend

_WORD = re.compile(r"\w+")
# Calls that may put numbers into what they are given.
_FILLS = re.compile(r"[^_]_$|init|reset|fill|copy|load|normal|uniform|apply", re.IGNORECASE)
# What an initialiser touches: `nn.init.zeros_(self.fc.bias)`, `self.fc.weight.data.normal_()`.
_TENSORS = frozenset({"weight", "bias", "data"})


class AttributeReads:
    """`read`: attribute names that some expression reads, except to write new numbers into its weights.
    `called`: plain names that are called.
    `written`: those whose tensors an initialiser or another call gets into its hands.
    `words`: the words of all string literals, by which attributes can be reached too."""

    def __init__(self, module: cst.Module) -> None:
        self.read: set[str] = set()
        self.called: set[str] = set()
        self.written: set[str] = set()
        self.words: set[str] = set()
        self._stack: list[tuple[cst.CSTNode, bool]] = [(module, False)]
        while self._stack:
            self._read(*self._stack.pop())

    def mentions(self, name: str) -> bool:
        return name in self.read or name in self.words

    def _read(self, node: cst.CSTNode, written: bool) -> None:
        """One node; `written`: in the hands of a call that only fills it."""
        if isinstance(node, cst.Attribute):
            inner: cst.CSTNode = node
            while written and isinstance(inner, cst.Attribute) and inner.attr.value in _TENSORS:
                inner = inner.value
            if inner is not node and isinstance(inner, cst.Attribute):
                self._stack.append((inner.value, False))
                return
            self.read.add(node.attr.value)
            self._stack.append((node.value, written))
        elif isinstance(node, cst.AssignTarget):
            self._store(node.target)
        elif isinstance(node, cst.AnnAssign):
            self._store(node.target)
            if node.value is not None:
                self._stack.append((node.value, False))
        elif isinstance(node, cst.Call):
            function = node.func
            name = function.attr.value if isinstance(function, cst.Attribute) else ""
            if isinstance(function, cst.Name):
                self.called.add(function.value)
            initialises = name.endswith("_") and not name.startswith("_")
            if _FILLS.search(name or (function.value if isinstance(function, cst.Name) else "")):
                self._note_written(node)
            self._stack.append((function, initialises))
            self._stack.extend((argument.value, initialises) for argument in node.args)
        elif isinstance(node, cst.FunctionDef):
            if node.name.value != "__init__" and _FILLS.search(node.name.value):
                self._note_written(node)
            self._stack.extend((child, False) for child in children(node))
        elif isinstance(node, cst.SimpleString):
            self.words.update(_WORD.findall(node.value))
        else:
            self._stack.extend((child, False) for child in children(node))

    def _note_written(self, node: cst.CSTNode) -> None:
        self.written.update(part.attr.value for part in descend(node) if isinstance(part, cst.Attribute))

    def _store(self, target: cst.CSTNode) -> None:
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._store(element.value)
            return
        place = target.value if isinstance(target, cst.Attribute) else target
        self._note_written(place)
        self._stack.append((place, False))
