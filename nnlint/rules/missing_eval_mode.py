"""See rules/missing-eval-mode.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting, listed
from nnlint.static.evaluation import (
    Evaluation,
    covers,
    differs_by_mode,
    inside,
    own_meaning,
    speaks_of_evaluation,
    touches_mode,
)
from nnlint.static.state import roots
from nnlint.static.values import Event, EventKind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.experiments.modes import Evaluated
    from nnlint.static.model import ScriptModel


class MissingEvalMode(Rule):
    words = ("backward", "step")
    explained_by = ("uncalled-method", "functional-dropout-always-on")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.modes import MODES

        return (MODES,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete or not (script.training_passes and script.evaluation_passes):
            return
        for evaluation in script.evaluations:
            module = evaluation.forward.target
            assert module is not None
            if evaluation.forward.mode != "train":
                continue
            differs = False if own_meaning(module) else _differs(script, evaluation, module)
            if differs is None and evaluation.home.loader is None:
                continue
            if (
                differs is False
                or _named_only(script, module)
                or _may_have_changed(script, evaluation, module)
            ):
                continue
            yield self._forgotten(script, evaluation, module, seen=differs is True)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.modes import MODES, Modes

        trajectory = seen.trajectories.get(MODES.name)
        modes = trajectory.measure(Modes) if trajectory is not None else None
        for evaluated in modes.evaluated if modes is not None else ():
            yield _seen(evaluated)

    def _forgotten(self, script: ScriptModel, evaluation: Evaluation, module: Value, seen: bool) -> Problem:
        name = script.name_of(script.evaluations.trained_whole(module) or module, "the model")
        effect = (
            "dropout and batch norm act as in training, so the figures depend on chance and on the batch"
            if seen
            else "any dropout or batch norm in it acts as in training"
        )
        return self.problem(
            evaluation.forward.call.node or module.node,  # type: ignore[arg-type]
            f"`{name}` is evaluated here in training mode: {effect}; call `{name}.eval()` before this "
            f"pass and "
            f"`{name}.train()` before training goes on",
            severity=None if seen else Severity.WARNING,
            why=evaluation.why,
        )


def _seen(evaluated: Evaluated) -> Sighting:
    layers = f" ({listed(evaluated.layers)})" if evaluated.layers else ""
    return Sighting(
        evaluated.place,
        f"`{evaluated.class_name}` was evaluated here in training mode{layers}: its output differs from "
        f"that in evaluation mode by {evaluated.difference:.0%}, and depends on chance or on the batch; call "
        "`eval()` on it before this pass and `train()` before training goes on",
        related=((evaluated.loader, "the loader of this pass"),) if evaluated.loader else (),
        # Without a loader of its own, the pass may be about something else.
        severity=None if evaluated.looped else Severity.WARNING,
        evidence={"difference": evaluated.difference, "layers": list(evaluated.layers)},
    )


def _differs(script: ScriptModel, evaluation: Evaluation, module: Value) -> bool | None:
    """Whether the mode decides what the module gives; of a part, together with the parts beside it."""
    whole = script.evaluations.trained_whole(module)
    if whole is None or whole in roots(module):
        return differs_by_mode(module)
    parts = [
        event.target
        for event in evaluation.home.of(EventKind.FORWARD)
        if event.target is not None and script.evaluations.trained_whole(event.target) is whole
    ]
    return any(differs_by_mode(part) is True for part in parts)


def _named_only(script: ScriptModel, module: Value) -> bool:
    """`model.eval` without parentheses: uncalled-method says so."""
    return any(
        fact.kind == "expression"
        and fact.value.op == "getattr"
        and fact.value.const == "eval"
        and covers(fact.value.args[0], module)
        for fact in script.facts
    )


def _may_have_changed(script: ScriptModel, evaluation: Evaluation, module: Value) -> bool:
    """Whether the mode was left on purpose, or something unseen may have set it."""
    forward = evaluation.forward
    before = [event for event in script.events if event.time < forward.time]
    modes = [e for e in before if e.kind in (EventKind.EVAL, EventKind.TRAIN) and covers(e.target, module)]
    last = modes[-1] if modes else None
    since = last.time if last is not None else 0
    if last is not None and _chosen(script, last, evaluation):
        return True
    return any(
        event.time > since
        and (touches_mode(event, module) or (event.kind is EventKind.EVAL and inside(event.target, module)))
        for event in before
    )


def _chosen(script: ScriptModel, last: Event, evaluation: Evaluation) -> bool:
    """Whether `train()` stands in the evaluating function itself, and not by a slip: Monte Carlo dropout."""
    function = next((frame for frame in evaluation.forward.frame.chain() if frame.function is not None), None)
    if function is None or not last.frame.inside(function) or function.function is None:
        return False
    trains = any(e.kind is EventKind.BACKWARD and e.frame.inside(function) for e in script.events)
    return not trains and not speaks_of_evaluation(function.function.name)
