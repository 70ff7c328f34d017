"""Random numbers: what draws them, from which random state, and what that state was seeded with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlint.static.ranks import differs_by_rank, spawns
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

GENERATORS = frozenset({
    "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator", "random.Random",
    "torch.Generator",
})  # fmt: skip
SEEDING = frozenset({".manual_seed", ".seed"})
_TORCH = frozenset({"randint", "randperm", "multinomial", "rand", "randn", "bernoulli", "normal"})
_PYTHON = frozenset({"randint", "randrange", "sample", "choice", "choices", "random", "uniform", "gauss"})
# Functions that seed a global state, and the states that they seed.
EVERYTHING = ("torch", "numpy", "random")
SEEDS: dict[str, tuple[str, ...]] = {
    "torch.manual_seed": ("torch",), "torch.random.manual_seed": ("torch",), "numpy.random.seed": ("numpy",),
    "random.seed": ("random",), "lightning.seed_everything": EVERYTHING, "transformers.set_seed": EVERYTHING,
    "accelerate.utils.set_seed": EVERYTHING, "accelerate.set_seed": EVERYTHING,
}  # fmt: skip
# What is the same number in every process that is started with the same command.
_SAME = frozenset({"const", "add", "mul", "sub", "builtins.int", "join"})


def generator_of(value: Value | None) -> Value | None:
    """The random generator that a value is, where that is sure."""
    if value is None:
        return None
    found = [part for part in value.alternatives() if not part.is_const(None)]
    if len(found) != 1:
        return None
    made = found[0]
    if made.op in SEEDING and made.receiver is not None:
        made = made.receiver
    return made if made.op in GENERATORS else None


def state_of(draw: Value) -> str | Value | None:
    """The random state that a call draws from: a global one by name, or a generator; None: no draw."""
    own = draw.kwargs.get("generator")
    if own is not None and not own.is_const(None):
        return generator_of(own)
    if draw.op in _TORCH:
        return "torch" if draw.kind is Kind.TENSOR else None
    head, _, last = draw.op.rpartition(".")
    if head == "numpy.random" and last[:1].islower() and last not in {"default_rng", "seed"}:
        return "numpy"
    if head == "random" and last in _PYTHON:
        return "random"
    if not head and draw.receiver is not None and draw.op.startswith(".") and draw.op not in SEEDING:
        return generator_of(draw.receiver)
    return None


def common_seed(script: ScriptModel, draw: Value, in_worker: bool = False) -> Value | None:
    """The call that gives the state behind a draw the same seed on every rank; None where there is none.

    In a loader's worker torch seeds all global states from its own.
    """
    state = state_of(draw)
    if isinstance(state, Value):
        return _seed_of_generator(script, state)
    if state is not None and in_worker:
        state = "torch"
    found = [call for call in _seedings(script, state) if call.time < draw.time] if state else []
    if not found or not all(_same(script, call) for call in found):
        return None
    last = found[-1]
    around = {id(frame.node) for frame in draw.frame.tests()} if draw.frame is not None else set()
    if last.frame is None or any(id(test.node) not in around for test in last.frame.tests()):
        return None
    return last


def _seed_of_generator(script: ScriptModel, state: Value) -> Value | None:
    later = [call for op in SEEDING for call in script.calls_of(op) if call.receiver is state]
    if later:
        return later[-1] if all(_same(script, call) for call in later) else None
    return state if state.op != "torch.Generator" and _same(script, state) else None


def _seedings(script: ScriptModel, state: str) -> list[Value]:
    """The calls that seed a global state, in order; readings of uncalled functions only if alone."""
    calls = [call for op, states in SEEDS.items() if state in states for call in script.calls_of(op)]
    known = {id(call.node) for call in calls if not _left_open(call)}
    calls = [call for call in calls if not _left_open(call) or id(call.node) not in known]
    return sorted(calls, key=lambda call: call.time)


def _left_open(call: Value) -> bool:
    return bool(call.args) and call.args[0].op == "param"


def _same(script: ScriptModel, call: Value) -> bool:
    """Whether a seed is given, and is the same one in every process."""
    seed = call.args[0] if call.args else call.kwargs.get("seed")
    if seed is None or seed.is_const(None) or "device_specific" in call.kwargs or differs_by_rank(seed):
        return False
    given = {".parse_args", "param"} if spawns(script) else {".parse_args"}

    def option(part: Value) -> bool:
        """Whether it is read from the command line."""
        return part.op == "getattr" and bool(part.args) and part.args[0].op in given

    return all(part.op in _SAME or option(part) for part in seed.graph(option))
