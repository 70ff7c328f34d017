"""See rules/unregistered-tensor.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.layers import forward_of
from nnlint.static.rewrite import mentions
from nnlint.static.torch_api import FACTORIES, REARRANGE, RELABEL
from nnlint.static.values import Fact, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import ClassInfo

MOVES = frozenset({"to", "cuda", "cpu", "type_as", "tensor", "as_tensor"})
RANDOM = frozenset({"rand", "randn", "randint", "randperm", "normal", "rand_like", "randn_like", "bernoulli"})
ROWS = frozenset({"linspace", "arange", "logspace"})
# What is kept of the data, to bring all inputs to one scale.
STATISTICS = frozenset({"mean", "std", "var", "amin", "amax"})
_HOOK = re.compile(r"^(?:on_|configure_)|_(?:step|epoch_end|dataloader|fit)$")
# Uses that take no number from the tensor.
FACTS = frozenset({"shape", "size", "dim", "device", "dtype", "numel", "ndim", "item", "tolist"})


class UnregisteredTensor(Rule):
    words = ("nn.Module", "Module)")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        found = [fact for fact in script.facts if _plain(fact)]
        if not found:
            return
        used, moved = _uses(script)
        for fact in found:
            value, owner = fact.value, fact.owner
            if id(value) not in used or id(value) in moved or owner is None or owner.cls is None:
                continue
            if not _read_in_forward(owner.cls, fact.name):
                continue  # it only comes in as an argument
            ops = {part.op for part in value.graph()}
            drawn = bool(ops & RANDOM)
            if not drawn and _placed(value):
                continue
            if drawn:
                lost = "drawn anew when the saved model is built again, as it is in no state_dict"
            else:
                lost = "not moved by `.to()` and not saved in the state_dict"
            users = "`forward` uses" if owner.cls.method("forward") is not None else "its methods use"
            yield self.problem(
                fact.node,
                f"`self.{fact.name}` is a plain tensor that {users}: it is {lost}; "
                f"use `self.register_buffer({fact.name!r}, …)`, or nn.Parameter if it is to be trained",
            )


def _plain(fact: Fact) -> bool:
    """A tensor made in `__init__` from nothing that is trained, set once and kept on the module."""
    owner, value = fact.owner, fact.value
    if fact.kind != "attribute" or owner is None or owner.kind is not Kind.MODULE or owner.cls is None:
        return False
    functions = fact.frame.functions()
    # `dim` is a tensor's word, NumPy's is `axis`.
    taken = value.op in STATISTICS and "dim" in value.kwargs and bool(value.args)
    if (
        (value.kind is not Kind.TENSOR and not taken)
        or value.alts
        or not functions
        or functions[0].name != "__init__"
    ):
        return False
    if any(fact.name in part.set_outside_init for part in owner.cls.lineage()):
        return False
    if _conditional(fact.frame) or owner.attrs.get(fact.name) is not value:
        return False
    if owner.cls.assigned.get(fact.name, 0) > 1:
        return False  # moved by hand, perhaps
    if "_apply" in owner.cls.methods or "to" in owner.cls.methods or "cuda" in owner.cls.methods:
        return False
    if value.op in {"prod", "sum", "numel"}:
        return False  # a number
    graph = list(value.graph())
    if any(part.kind in (Kind.PARAMETER, Kind.MODULE) or part.op == "torch.nn.Buffer" for part in graph):
        return False
    if taken:
        return True
    made = [part for part in graph if part.op in FACTORIES]
    return bool(made) and not any(
        part.op == "tensor" and part.args and _number(part.args[0]) for part in made
    )


def _read_in_forward(cls: ClassInfo, name: str) -> bool:
    """Whether a method that `forward` may call reads the attribute; Lightning's hooks call `forward`."""
    return any(
        mentions(method.node, name)
        for part in cls.lineage()
        for method in part.methods.values()
        if method.name != "__init__" and not (cls.is_lightning and _HOOK.search(method.name))
    )


def _conditional(frame: Frame) -> bool:
    """Whether a test inside the `__init__` decides on it."""
    home = next(part for part in frame.chain() if part.kind == "function")
    return bool(frame.tests(until=home))


def _number(value: Value) -> bool:
    """A tensor of no dimension works with tensors of every device."""
    return value.kind in (Kind.CONST, Kind.NUMBER) or (value.kind is Kind.UNKNOWN and value.op == "param")


def _placed(value: Value) -> bool:
    """Whether it was put on a device by hand."""
    return any(part.op in {"cuda", "to"} or "device" in part.kwargs for part in value.graph())


def _numbers(result: Value, buffers: set[int]) -> Iterator[Value]:
    """What a result takes its numbers from; an index may lie on another device."""
    seen: set[int] = set()
    stack = [result]
    while stack:
        value = stack.pop()
        if id(value) in seen or id(value) in buffers:
            continue
        seen.add(id(value))
        yield value
        if not _ends(value):
            first = value.op == "getitem" or (value.op in REARRANGE and value.args)  # no index, no size
            stack.extend(value.args[:1] if first else value.made_from())


def _ends(value: Value) -> bool:
    """Where no number is taken from the tensor, or one of a row: no dimension, so of any device."""
    if value.op == "getitem" and len(value.args) == 2 and value.args[0].op in ROWS:
        return value.args[1].kind is Kind.NUMBER
    return value.op in FACTS or value.kind is Kind.PARAMETER


def _computes(frame: Frame) -> bool:
    """Whether a `forward` is being followed, or a method of a module that has others in its place."""
    function = next(iter(frame.functions()), None)
    kind = function.cls if function is not None else None
    if function is None or kind is None or not kind.is_module or not kind.fully_seen():
        return forward_of(frame) is not None
    return forward_of(frame) is not None or (kind.method("forward") is None and function.name != "__init__")


def _uses(script: ScriptModel) -> tuple[set[int], set[int]]:
    """The tensors that reach a result of some `forward`, and those that are moved where they are used."""
    used: set[int] = set()
    moved: set[int] = set()
    buffers = {id(call.args[1]) for call in script.calls_of("register_buffer") if len(call.args) > 1}
    for fact in script.facts:
        if fact.kind != "return" or not _computes(fact.frame):
            continue
        for value in _numbers(fact.value, buffers):
            used.add(id(value))
    for call in script.calls:
        moves = call.op in MOVES or (call.op in RELABEL and call.op != "clone")
        if moves and call.args and call.frame is not None and _computes(call.frame):
            moved.update(id(part) for part in call.args[0].graph())
    return used, moved
