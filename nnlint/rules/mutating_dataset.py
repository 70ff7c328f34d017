"""See rules/mutating-dataset.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.stored import Element, Store, item_getter
from nnlint.static.values import Frame, Kind, Value
from nnlint.static.walk import descend, same_code

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

IN_PLACE = frozenset({"mul_", "add_", "sub_", "div_", "neg_", "pow_", "sqrt_", "exp_", "log_", "flip_"})
GROWS = frozenset({".append", ".extend", ".insert", ".reverse", "list.append", "list.extend", "list.insert"})


class MutatingDataset(Rule):
    words = ("__getitem__",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.data import DATA

        return (DATA,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        store, told = Store(script), set[int]()
        for node, name, found in (*self._assigned(script, store), *self._called(script, store)):
            if id(node) in told:
                continue
            told.add(id(node))
            yield self.problem(
                node,
                f"`{name or 'the sample'}` is the object in `self.{found.attribute}` itself, not a copy, "
                f"and is changed in place, so that each time the sample is read it changes once more; make "
                f"a new object, or copy it first",
            )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.data import DATA, Data

        first = seen.trajectories.get(DATA.name)
        data = first.measure(Data) if first else None
        if data is not None and (found := data.mutation) is not None:
            yield Sighting(
                found.place,
                f"reading a sample of `{found.dataset}` changes what `{found.attribute}` holds for it, in "
                f"place and each time anew ({found.changed} of {found.looked} samples read three times); "
                f"make a new object, or copy it first",
                evidence={"attribute": found.attribute},
            )

    def _assigned(self, script: ScriptModel, store: Store) -> Iterator[tuple[cst.CSTNode, str, Element]]:
        """`image /= 255`, `image[:, 0] -= mean`, `sample["x"] = f(sample["x"])`."""
        for fact in script.facts:
            this = item_getter(fact.frame) if fact.kind in {"augmented", "subscript"} else None
            if this is None:
                continue
            node = fact.node
            inner = fact.kind == "subscript" or isinstance(getattr(node, "target", None), cst.Subscript)
            owner = fact.owner if fact.kind == "subscript" else fact.target
            if fact.kind == "augmented" and inner:
                owner = owner.args[0] if owner is not None and owner.op == "getitem" else None
            found = store.element(this, owner) if owner is not None else None
            if found is None or owner is None or _guarded(store, this, fact.frame):
                continue
            if fact.kind == "subscript":
                changes = isinstance(node, cst.Assign) and _from_itself(node)
                changes = changes and not (found.whole and fact.frame.tests())
            elif inner:
                changes = (
                    not found.whole
                    or fact.value.op in {"mul", "div"}
                    or (not _counts(fact.value) and _handed_out(script, store, this, found))
                )
            else:
                changes = not found.whole and _surely_in_place(store, this, found, fact.value)
            if changes:
                yield node, fact.name or script.name_of(owner), found

    def _called(self, script: ScriptModel, store: Store) -> Iterator[tuple[cst.CSTNode, str, Element]]:
        """`image.mul_(2)`, `tokens.append(end)`, `normalize(image, …, inplace=True)`."""
        for call in script.calls:
            target = call.receiver if call.op in GROWS else call.input
            inplace = call.kwargs.get("inplace")
            if call.op not in IN_PLACE | GROWS and not (
                call.op.endswith(".functional.normalize") and inplace is not None and inplace.is_const(True)
            ):
                continue
            this = item_getter(call.frame) if call.frame is not None else None
            if this is None or target is None or call.node is None or call.frame is None:
                continue
            found = store.element(this, target)
            if found is not None and not found.whole and not _guarded(store, this, call.frame):
                yield call.node, script.name_of(target), found


def _counts(after: Value) -> bool:
    """Whether `x += 1` counts."""
    return len(after.args) > 1 and after.args[1].is_const(1, -1)


def _handed_out(script: ScriptModel, store: Store, this: Value, found: Element) -> bool:
    """Whether the sample that is returned was taken from this attribute."""
    for fact in script.facts_by_kind.get("return", ()):
        if item_getter(fact.frame) is this and fact.frame.functions()[0].name == "__getitem__":
            taken = (store.element(this, part) for part in fact.value.graph() if part.op == "getitem")
            if any(one is not None and one.attribute == found.attribute for one in taken):
                return True
    return False


def _surely_in_place(store: Store, this: Value, found: Element, after: Value) -> bool:
    """Whether `x op= y` works on the object; numbers and texts are replaced, arrays and lists are changed."""
    right = after.args[1] if len(after.args) > 1 else None
    if right is not None and right.kind is Kind.SEQUENCE and after.op == "add":
        return True
    return store.is_array(this, found, after)


def _from_itself(node: cst.Assign) -> bool:
    """Whether what is written was computed from what stood in the same place."""
    target = node.targets[0].target
    return any(
        isinstance(part, cst.Subscript) and same_code(part, target) for part in descend(node.value)
    ) and not isinstance(node.value, cst.Subscript)


def _guarded(store: Store, this: Value, frame: Frame) -> bool:
    """Whether a test looks at the store first, as a cache does."""
    for part in frame.tests():
        if part.value is not None and any(
            value.op == "getitem" and store.element(this, value) is not None for value in part.value.graph()
        ):
            return True
    return False
