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
    `written`: those whose tensors an initialiser or another call gets into its hands.
    `words`: the words of all string literals, by which attributes can be reached too."""

    def __init__(self, module: cst.Module) -> None:
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.words: set[str] = set()
        self._visit(module, written=False)

    def mentions(self, name: str) -> bool:
        return name in self.read or name in self.words

    def _visit(self, node: cst.CSTNode, *, written: bool) -> None:
        if isinstance(node, cst.Attribute):
            if written and node.attr.value in _TENSORS:
                inner = node.value
                while isinstance(inner, cst.Attribute) and inner.attr.value in _TENSORS:
                    inner = inner.value
                if isinstance(inner, cst.Attribute):
                    self._visit(inner.value, written=False)
                    return
            self.read.add(node.attr.value)
            self._visit(node.value, written=written)
        elif isinstance(node, cst.AssignTarget):
            self._store(node.target)
        elif isinstance(node, cst.AnnAssign):
            self._store(node.target)
            if node.value is not None:
                self._visit(node.value, written=False)
        elif isinstance(node, cst.Call):
            name = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
            initialises = name.endswith("_") and not name.startswith("_")
            if _FILLS.search(name or getattr(node.func, "value", "")):
                self._note_written(node)
            self._visit(node.func, written=initialises)
            for argument in node.args:
                self._visit(argument.value, written=initialises)
        elif isinstance(node, cst.SimpleString):
            self.words.update(_WORD.findall(node.value))
        else:
            for child in children(node):
                self._visit(child, written=False)

    def _note_written(self, node: cst.CSTNode) -> None:
        self.written.update(part.attr.value for part in descend(node) if isinstance(part, cst.Attribute))

    def _store(self, target: cst.CSTNode) -> None:
        if isinstance(target, cst.Attribute):
            self._note_written(target.value)
            self._visit(target.value, written=False)
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._store(element.value)
        else:
            self._note_written(target)
            self._visit(target, written=False)
