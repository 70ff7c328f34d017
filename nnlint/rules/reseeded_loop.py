"""See rules/reseeded-loop.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.loops import trains_one_model
from nnlint.static.stored import item_getter
from nnlint.static.values import Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Global random states; torch's also orders the batches and makes the dropout masks.
TORCH = (
    "torch.manual_seed", "torch.random.manual_seed", "lightning.seed_everything", "transformers.set_seed",
    "accelerate.utils.set_seed", "accelerate.set_seed",
)  # fmt: skip
OTHERS = ("numpy.random.seed", "random.seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all")
RESTORES = (
    "torch.random.fork_rng", "torch.set_rng_state", "torch.random.set_rng_state", "numpy.random.set_state",
    "random.setstate", "torch.cuda.set_rng_state",
)  # fmt: skip
# What gives the same number in each turn.
SAME = frozenset(
    {"const", "getattr", "param", "free", "add", "mul", "getitem", "join", "builtins.int", "sub"}
)
# What each turn of some loop gets, though the value that stands for it is older.
TURNS = frozenset({"index", "element", "item", "item_of", "part", "phi", "batch", "batch_item"})


class ReseededLoop(Rule):
    words = ("seed",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        told: set[int] = set()
        for call in script.calls_of(*TORCH, *OTHERS):
            seed = call.args[0] if call.args else call.kwargs.get("seed")
            if seed is None or call.node is None or call.frame is None or _restored(script, call.frame):
                continue
            found = self._in_item(call.frame, seed) or self._in_loop(script, call, call.frame, seed)
            if found is None:
                continue
            until, why = found
            node = _place(call.node, call.frame, until)
            if id(node) not in told and not told & {id(part.node) for part in call.frame.chain()}:
                told.add(id(until.node))
                yield self.problem(node, f"{why}; seed once, before the loop")

    def _in_item(self, frame: Frame, seed: Value) -> tuple[Frame, str] | None:
        this = item_getter(frame)
        if this is None or this.cls is None:
            return None
        getter = next(
            part
            for part in frame.chain()
            if part.function is not None and part.function.name == "__getitem__"
        )
        assert getter.function is not None
        names = {parameter.name for parameter in getter.function.parameters[1:]}
        tests = [test.value for test in frame.tests(until=getter) if test.value is not None]
        if not _same(seed) or any(part.name in names for value in (seed, *tests) for part in value.graph()):
            return None
        return getter, (
            f"the random state is set to the same seed for each sample of `{this.cls.name}`, so every sample "
            f"gets the same random numbers"
        )

    def _in_loop(
        self, script: ScriptModel, call: Value, frame: Frame, seed: Value
    ) -> tuple[Frame, str] | None:
        loop = next((part for part in frame.loops() if trains_one_model(part)), None)
        if loop is None or not _same(seed, loop):
            return None
        if any(other.frame is not None and other.frame.inside(loop) for other in script.calls_of(*RESTORES)):
            return None
        if call.op in OTHERS and (frame.loop() is not loop or frame.tests(until=loop)):
            return None
        for other in script.calls_of(*TORCH, *OTHERS):
            fresh = other.args[:1] and not _same(other.args[0], loop)
            if fresh and other.frame is not None and other.frame.inside(loop):
                return None  # another seed for each epoch
        return loop, (
            "the random state is set back in each turn of the loop that trains, so every turn draws the same "
            "batch order, dropout masks and augmentation as the last"
        )


def _restored(script: ScriptModel, frame: Frame) -> bool:
    """Whether the function or module that sets the seed puts a random state back itself."""
    home = next(iter(frame.functions()), None)
    return any(
        other.frame is not None and next(iter(other.frame.functions()), None) is home
        for other in script.calls_of(*RESTORES)
    )


def _same(seed: Value, loop: Frame | None = None) -> bool:
    """Whether it is the same number in each turn: what was made before the loop is."""
    return all(
        part.op in SAME
        or part.kind is Kind.CONST
        or (loop is not None and part.time < loop.start and part.op not in TURNS)
        for part in seed.graph()
    )


def _place(node: cst.CSTNode, frame: Frame, until: Frame) -> cst.CSTNode:
    """The call of the user's own `set_seed` rather than the line inside it."""
    for part in frame.chain():
        if part is until:
            break
        if part.kind == "function" and part.function is not None and isinstance(part.node, cst.Call):
            if "seed" not in part.function.name.lower():
                break
            node = part.node
    return node
