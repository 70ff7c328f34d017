"""How the weights of layers are initialised: by which call, with what, of which layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.values import Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

LAYERS = frozenset({
    "torch.nn.Linear", "torch.nn.Conv1d", "torch.nn.Conv2d", "torch.nn.Conv3d", "torch.nn.ConvTranspose1d",
    "torch.nn.ConvTranspose2d", "torch.nn.ConvTranspose3d",
})  # fmt: skip
CONSTANT = frozenset({"constant", "zeros", "ones", "fill", "zero"})
DRAWN = frozenset({
    "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "normal", "uniform",
    "trunc_normal", "orthogonal",
})  # fmt: skip


@dataclass(eq=False)
class Write:
    """One call that sets `layer.weight`. The layer is one of the file's, or any of `classes` (in a loop over
    `modules()`, or in a function for `apply`)."""

    call: Value
    how: str  # xavier_uniform, zeros, fill …
    target: Value  # the weight
    layer: Value
    classes: list[str]
    everywhere: bool  # nothing but the class decides which layers it reaches

    @property
    def constant(self) -> bool:
        return self.how in CONSTANT

    @property
    def drawn(self) -> bool:
        return self.how in DRAWN

    @property
    def single(self) -> bool:
        return self.layer.op.startswith("torch.nn.")

    @property
    def number(self) -> object:
        """The constant, where the file shows it."""
        if self.how in {"zeros", "zero"}:
            return 0
        given = self.call.kwargs.get("val") or (self.call.args[1] if len(self.call.args) > 1 else None)
        return given.const if given is not None and given.kind is Kind.CONST else ...


def weight_writes(script: ScriptModel) -> Iterator[Write]:
    """Every initialisation of a `weight` of layers with units, in order; those of norms are left out."""
    for call in script.calls:
        node = call.node
        if not isinstance(node, cst.Call) or not call.args or call.frame is None:
            continue
        name = call.op.rpartition(".")[2]
        if not call.op.startswith("torch.nn.init.") and not (name.endswith("_") and "." not in call.op):
            continue
        target = call.args[0]
        if (
            target.op in {"data", "getattr"}
            and target.args
            and (target.op == "data" or target.const == "data")
        ):
            target = target.args[0]
        if target.op != "getattr" or target.const != "weight" or not target.args:
            continue
        layer = target.args[0]
        if layer.op.startswith("torch.nn."):
            if layer.op in LAYERS:
                yield Write(call, name.rstrip("_"), target, layer, [layer.op], True)
        elif layer.op in {"submodule", "param", "element", "item", "module_item"}:
            classes, only = _tested(call.frame, layer)
            if classes and all(item in LAYERS for item in classes):
                yield Write(call, name.rstrip("_"), target, layer, classes, only)


def _tested(frame: Frame, layer: Value) -> tuple[list[str], bool]:
    """The classes that the tests around a place allow the layer to have, and whether they are all that is
    tested."""
    classes: list[str] = []
    only = True
    for test in frame.tests():
        value = test.value
        found = _classes(value, layer) if value is not None else None
        if found is None:
            only = False
        elif test.branch and not classes:
            classes = found
    return classes, only


def _classes(test: Value, layer: Value) -> list[str] | None:
    """The classes in `isinstance(layer, …)` or `type(layer) == …`; None for any other test."""
    if test.op == "builtins.isinstance" and len(test.args) == 2 and test.args[0] is layer:
        second = test.args[1]
        return [part.op for part in (second.args if second.kind is Kind.SEQUENCE else [second])]
    if test.op in {"eq", "is", "in"} and len(test.args) == 2 and test.args[0].op == "builtins.type":
        second = test.args[1]
        if test.args[0].args[:1] == [layer]:
            return [part.op for part in (second.args if second.kind is Kind.SEQUENCE else [second])]
    word = _word(test)
    if word:
        return [
            name for name in (*sorted(LAYERS), "torch.nn.BatchNorm2d", "torch.nn.LayerNorm") if word in name
        ]
    if test.op == "or":
        parts = [_classes(part, layer) for part in test.args]
        return [item for part in parts if part is not None for item in part] if None not in parts else None
    return None


def _word(test: Value) -> str:
    """`Conv` in `m.__class__.__name__.find("Conv") != -1` and in `"Conv" in type(m).__name__`."""
    if test.op in {"ne", "gt", "ge"} and test.args and test.args[0].op == ".find" and test.args[0].args:
        name, word = test.args[0].receiver, test.args[0].args[0]
    elif test.op == "in" and len(test.args) == 2:
        word, name = test.args
    else:
        return ""
    known = name is not None and name.const == "__name__" and isinstance(word.const, str)
    return word.const if known else ""
