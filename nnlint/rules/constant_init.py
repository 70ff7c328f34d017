"""See rules/constant-init.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting, listed
from nnlint.static.arguments import argument, constant
from nnlint.static.flow import following
from nnlint.static.initial import LAYERS, Write, weight_writes
from nnlint.static.layers import forward_of, only_shown
from nnlint.static.values import EventKind, Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

# Less than this shows nothing: what starts at zero may only be moved by the second step.
_STEPS = 4
EMPTY = frozenset({"empty", "torch.Tensor", "torch.FloatTensor", "empty_like"})


class ConstantInit(Rule):
    words = ("init", "fill_", "zero_", "empty", "Tensor(")
    explained_by = ("nan-inf-origin", "non-differentiable-loss", "everything-frozen")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        writes = list(weight_writes(script))
        seen: set[int] = set()
        for write in writes:
            if not write.constant or id(write.call.node) in seen or write.call.node is None:
                continue
            drawn = _drawn_before(write, writes)
            if drawn is not None and drawn.call.node is not None:
                seen.add(id(write.call.node))
                yield self.problem(
                    write.call.node,
                    f"this overwrites the weights that {drawn.how} has just drawn with a constant, so that "
                    f"all units start out alike; the bias must be meant",
                    related=((drawn.call.node, "drawn here"),),
                )
            elif _last(write, writes) and _symmetric(script, write):
                seen.add(id(write.call.node))
                yield self._constant(script, write)
        yield from self._never_filled(script)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.health import HEALTH, layer_of, matrices, of

        health = of(seen)
        if health is None or health.broken is not None:
            return
        # Copies still after steps that moved the others: nothing will part them.
        alike = [
            weight
            for weight in matrices(health)
            if weight.alike_before and weight.alike_after and len(weight.updates) >= _STEPS
        ]
        if not alike or not any(any(weight.updates) for weight in health.weights):
            return
        first = alike[0]
        layer = layer_of(health, first)
        number = len(seen.trajectories[HEALTH.name].steps)
        yield Sighting(
            layer.place if layer else health.root_places[first.root],
            f"all units of {listed([weight.name for weight in alike])} start out alike, and are copies of "
            f"one another still after {number} steps: they get the same gradient, so the layer is one "
            "unit, however wide; draw its weights at random, as nn.init.kaiming_uniform_ or "
            "nn.init.xavier_uniform_ does",
            evidence={"parameters": [weight.name for weight in alike], "steps": number},
        )

    def _constant(self, script: ScriptModel, write: Write) -> Problem:
        node = write.call.node
        assert isinstance(node, cst.Call)
        where = node.func.value if isinstance(node.func, cst.Attribute) and "." not in write.call.op else None
        text = script.text(where or node.args[0].value, 40).removesuffix(".data").removesuffix(".weight")
        built = next((op for op in write.classes if next(script.calls_of(op), None)), write.classes[0])
        which = f"`{text}`" if write.single else f"every {built.rpartition('.')[2]} layer"
        if write.number == 0:
            why = "nothing passes through, and the layers before get no gradient"
        else:
            why = "its units are copies of one another, which compute the same feature"
        return self.problem(
            node,
            f"all weights of {which} start out equal: {why}; draw them at random, as "
            f"nn.init.kaiming_uniform_ or nn.init.xavier_uniform_ does",
        )

    def _never_filled(self, script: ScriptModel) -> Iterator[Problem]:
        empty = {id(fact.node): fact for fact in script.facts if _uninitialised(fact)}
        reads = script.reads if empty else None
        filled = _filled(script) if empty else None
        if reads is None or filled is None:
            return
        drawn = [
            fact
            for fact in empty.values()
            if fact.name in reads.written or {id(fact.value), id(fact.value.args[0])} & filled
        ]
        trains = any(script.events_of(EventKind.STEP))
        for fact in empty.values():
            if fact in drawn or fact.name in reads.words or fact.name not in reads.read:
                continue
            beside = any(other.owner is fact.owner for other in drawn)
            yield self.problem(
                fact.node,
                f"`{fact.name}` is a Parameter over uninitialised memory and nothing in this file fills it: "
                f"it starts with whatever was there; use torch.zeros, torch.randn or an nn.init function",
                # Whoever trains a model of this file elsewhere may draw all its weights there.
                severity=None if trains or beside else Severity.INFO,
            )


def _drawn_before(write: Write, writes: list[Write]) -> Write | None:
    """The random initialisation of the same weights just before, in the same place."""
    before = [w for w in writes if w.target is write.target and w.call.time < write.call.time]
    last = before[-1] if before else None
    return last if last is not None and last.drawn and last.call.frame is write.call.frame else None


def _last(write: Write, writes: list[Write]) -> bool:
    return not any(w.target is write.target and w.call.time > write.call.time for w in writes)


def _symmetric(script: ScriptModel, write: Write) -> bool:
    """Whether the layer stands inside a network, where units that start alike stay alike."""
    if any(
        event.target is not None
        and any(part is write.target or part is write.layer for part in event.target.graph())
        for event in script.events_of(EventKind.FREEZE)
    ):
        return False
    if write.single:
        return _hidden(script, write.layer) and (write.number != 0 or _rectified(script, write.layer))
    made = [call for call in script.calls if call.op in write.classes and not only_shown(script, call)]
    return write.everywhere and any(_hidden(script, layer) for layer in made)


def _rectified(script: ScriptModel, layer: Value) -> bool:
    """Whether its zeros reach an activation whose gradient is zero there; others let the layer learn."""
    uses = [call for call in script.calls if call.receiver is layer and call.args]
    taken = [taker for use in uses for taker in script.flow.takers(use) if taker is not None]
    behind = following(layer)[:1] or taken
    return any(item.op in {"torch.nn.ReLU", "torch.nn.ReLU6", "relu", "relu6"} for item in behind)


def _hidden(script: ScriptModel, layer: Value) -> bool:
    """Whether what the layer computes goes, unit by unit, into another one."""
    if layer.op not in LAYERS or constant(layer, "groups", 1) != 1:
        return False
    units = argument(layer, "out_features") or argument(layer, "out_channels")
    if units is None or units.is_const(1):
        return False
    uses = [
        call for call in script.calls if call.receiver is layer and call.args and call.kind is Kind.TENSOR
    ]
    if uses:
        return all(script.flow.next_layers(use) for use in uses)
    return any(item.op in LAYERS for item in following(layer))


def _uninitialised(fact: Fact) -> bool:
    """`self.w = nn.Parameter(torch.empty(…))` in a class whose whole ancestry is in sight."""
    value, owner = fact.value, fact.owner
    if fact.kind != "attribute" or value.op != "torch.nn.Parameter" or not value.args or owner is None:
        return False
    made = value.args[0]
    sizes = all(arg.kind not in (Kind.SEQUENCE, Kind.TENSOR) and arg.op != "star" for arg in made.args)
    if made.op not in EMPTY or not made.args or (made.op.startswith("torch.") and not sizes):
        return False
    if owner.kind is not Kind.MODULE or owner.cls is None or owner.cls.assigned.get(fact.name, 0) > 1:
        return False
    return owner.cls.fully_seen()


def _filled(script: ScriptModel) -> set[int] | None:
    """The parameters that some call outside of `forward` gets into its hands; None where a loop fills all."""
    found: set[int] = set()
    for call in script.calls:
        if call.op in {"module.apply", "module.load_state_dict"}:
            return None
        if call.frame is None or forward_of(call.frame) is not None or call.op == "torch.nn.Parameter":
            continue
        for arg in (*call.args, *call.kwargs.values()):
            for part in arg.graph():
                if part.op == "parameter" and call.op.endswith("_"):
                    return None
                found.add(id(part))
    return found
