"""See rules/unsafe-log.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Change, Draft, Problem, Replacement, Rule, Sighting
from nnlint.static.gradients import CUTS
from nnlint.static.local_names import LocalNames
from nnlint.static.rewrite import functional, is_method, mentions, operand
from nnlint.static.scores import surely
from nnlint.static.torch_api import TO_PYTHON
from nnlint.static.values import EventKind
from nnlint.static.zeros import LOGARITHMS, in_training_graph, reaches_zero, untaken_risks

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Value

STABLE = {"softmax": "F.log_softmax", "sigmoid": "F.logsigmoid"}
# Exactly zero where their input is, and inputs that a network computes hardly ever are.
BY_CHANCE = frozenset({"square", "abs", "norm", "pow", "sqrt"})
UNDERFLOW = (
    "{name} is a {op}, which underflows to exactly 0, so its logarithm is -inf and the gradient NaN; use "
    "`{stable}` on the scores instead"
)
ZERO = (
    "{name} can be exactly 0, so {log} is -inf and the gradient is not finite; add a small eps or clamp it "
    "before the logarithm"
)


class UnsafeLog(Rule):
    words = ("log",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        elsewhere = {id(value) for _, value in untaken_risks(script)}
        for call in script.calls_of(*LOGARITHMS):
            if id(call) in elsewhere or not call.args or not in_training_graph(call) or call.node is None:
                continue
            if _replaced(script, call):
                continue
            taker = script.flow.only_taker(call)
            if taker is not None and taker.op in {"neg", "mul", "mean", "sum"}:
                taker = script.flow.only_taker(taker)
            if (taker is not None and taker.op in CUTS | TO_PYTHON) or _in_evaluation(script, call):
                continue  # a number for a log line: nothing flows back
            if reaches_zero(call.args[0]):
                yield self.problem(
                    call.node,
                    self._message(script, call),
                    fix=_stable(script, call),
                    severity=_severity(call.args[0]),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import edges
        from nnlint.graph.makers import made_by

        elsewhere = {risk for _, risk in edges.untaken_risks(step)}
        for index in edges.trained(step, *edges.LOGARITHMS):
            operand = step.sources(index)[0]
            if index in elsewhere or not edges.reaches_zero(step, operand):
                continue
            name = step.called(operand)
            message = ZERO.format(name=name, log=f"`{step.spoken(index)}` of it")
            for op, stable in STABLE.items():
                if made_by(step, operand, op, f"_{op}"):
                    message = UNDERFLOW.format(name=name, op=op, stable=stable)
            yield Sighting(step.nodes[index].place, message)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.edge import met
        from nnlint.graph import edges

        for edge in met(seen, edges.LOGARITHMS, backward=False):
            low, high = edge.ends[0] if edge.ends else (0.0, 0.0)
            made = "-inf" if low == 0 else "NaN"
            yield edge.sighting(
                f"`{edge.source.op}` got values from {low:.3g} to {high:.3g} here{edge.where}, so it gave "
                f"{made}, and loss and weights are lost from there on; add a small eps or clamp them before "
                "the logarithm, or take `F.log_softmax` or `F.logsigmoid` of the scores"
            )

    def _message(self, script: ScriptModel, call: Value) -> str:
        operand = script.name_of(call.args[0], "its argument")
        for op, stable in STABLE.items():
            if surely(call.args[0], lambda value, op=op: value.op == op):  # type: ignore[misc]
                return UNDERFLOW.format(name=f"`{operand}`", op=op, stable=stable)
        return ZERO.format(name=f"`{operand}`", log=f"`{script.text(call.node, 40)}`")


def _replaced(script: ScriptModel, call: Value) -> bool:
    """Whether another value takes its name before anything reads it."""
    for fact in script.facts:
        if fact.kind == "name" and fact.value is call:
            function = next(iter(fact.frame.functions()), None)
            return (
                function is not None and LocalNames(function.node).replaced(fact.node, fact.name) is not None
            )
    return False


def _in_evaluation(script: ScriptModel, call: Value) -> bool:
    """Whether it stands in a pass over data that trains nothing and in evaluation mode."""
    for held in script.passes:
        modes = {event.mode for event in held.of(EventKind.FORWARD)}
        evaluates = held.looped and not held.trains and "eval" in modes and "train" not in modes
        if evaluates and call.frame is not None and call.frame.loop() is held.frame:
            return True
    return False


def _severity(value: Value) -> Severity | None:
    """Less than the page's where zero comes by chance only, or something holds the scores up."""
    if surely(value, lambda part: part.op in BY_CHANCE):
        return Severity.WARNING
    held_up = surely(value, lambda part: part.op == "sigmoid" and bool(surely(part.args[0], _held_up)))
    return Severity.INFO if held_up else None


def _held_up(value: Value) -> bool:
    """The `s + 2` of a flow's scale `sigmoid(s + 2)`."""
    return value.op == "add" and any(
        isinstance(part.const, (int, float)) and part.const >= 1 for part in value.args
    )


def _stable(script: ScriptModel, call: Value) -> Draft | None:
    """`torch.log(torch.softmax(x, 1))` -> `torch.log_softmax(x, 1)`; the softmax may have a name."""
    inner = operand(script, call)
    if call.node is None or inner is None or call.op != "log" or len(call.args) != 1 or call.kwargs:
        return None
    made = call.args[0]
    named = isinstance(inner, cst.Name) and _used_once(script, call, inner)
    node = made.node if named else inner
    code = _logarithm(script, node, made) if isinstance(node, cst.Call) else None
    if code is None or node is None:
        return None
    changes: tuple[Change, ...] = (Replacement(call.node, code),)
    if isinstance(inner, cst.Name):
        changes = (Replacement(node, code), Replacement(call.node, inner.value))
    return Draft(f"use {STABLE[made.op]}", changes)


def _used_once(script: ScriptModel, call: Value, name: cst.Name) -> bool:
    """Whether the name is bound, by a plain assignment beside the call, only to be taken the logarithm of."""
    made, frame = call.args[0], call.frame
    if frame is None or made.frame is not frame:
        return False
    functions = frame.functions()
    home = functions[0].node if functions else script.module
    return mentions(home, name.value) == 2 and any(
        fact.kind == "name" and fact.name == name.value and getattr(fact.node, "value", None) is made.node
        for fact in script.facts
    )


def _logarithm(script: ScriptModel, node: cst.Call, made: Value) -> str | None:
    """The code of the operation that gives the logarithm of a softmax or sigmoid directly."""
    if made.op not in STABLE or not isinstance(node.func, cst.Attribute):
        return None
    base = script.value_of(node.func.value)
    if not is_method(script, node) and (base is None or base.op not in {"torch", "torch.nn.functional"}):
        return None
    code = script.module.code_for_node
    if made.op == "softmax":
        return code(node.with_changes(func=node.func.with_changes(attr=cst.Name("log_softmax"))))
    module, scores = functional(script), operand(script, made)
    if module is None or scores is None:
        return None
    return f"{module}.logsigmoid({code(scores.with_changes(lpar=[], rpar=[]))})"
