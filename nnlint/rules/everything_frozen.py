"""See rules/everything-frozen.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.holdings import Holding, by_name, holding, made_over, part_of, stepped_after, touched
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel


class EverythingFrozen(Rule):
    words = ("requires_grad",)
    explained_by = ("non-differentiable-loss",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.loops import LATER

        return (LATER,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        freezes = list(script.events_of(EventKind.FREEZE))
        if not freezes:
            return
        thaws = list(script.events_of(EventKind.UNFREEZE))
        for optimizer in script.optimizers:
            held = holding(optimizer)
            if not held.modules or held.parameters or not held.sure or optimizer.node is None:
                continue
            found = [_frozen(script, module, optimizer, freezes, thaws) for module in held.modules]
            first = found[0]
            if first is not None and made_over(script, held.modules, first.time, optimizer.time):
                continue
            if first is None or None in found or not stepped_after(script, optimizer, optimizer.time):
                continue
            yield self._problem(script, optimizer, held, first)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        for step in seen.first_steps:
            stepped = [optimizer for optimizer in step.optimizers if optimizer.steps]
            # With a second optimizer, this one may have its turn in another iteration.
            if len(stepped) == 1 and not stepped[0].graded:
                advice = (
                    "set requires_grad to True for what is to be trained, and keep the loss connected to it"
                    if step.losses
                    else "no `backward` came before it: call it on the loss, between `zero_grad` and `step`"
                )
                yield Sighting(
                    stepped[0].place,
                    f"`{stepped[0].class_name}` stepped and none of its parameters had a gradient: nothing "
                    f"is trained; {advice}",
                )

    def _problem(self, script: ScriptModel, optimizer: Value, held: Holding, freeze: Event) -> Problem:
        names = ", ".join(
            dict.fromkeys(f"`{script.name_of(module, 'the model')}`" for module in held.modules)
        )
        assert optimizer.node is not None
        return self.problem(
            optimizer.node,
            f"every parameter of {names} that this optimizer holds is frozen (requires_grad "
            "is False), so its steps "
            f"change nothing; set requires_grad to True for what is to be trained, or freeze the other part",
            related=((freeze.call.node, "frozen here"),),
        )


def _frozen(
    script: ScriptModel, module: Value, optimizer: Value, freezes: list[Event], thaws: list[Event]
) -> Event | None:
    """The event that surely froze all of the module before it is trained, if nothing thaws any of it."""
    if any(
        _related(module, other)
        for event in thaws
        # The gradient of an input is no weight's.
        if event.target is None or event.target.kind is not Kind.TENSOR
        for other in touched(event) or [module]
    ):
        return None
    if any(
        fact.owner is not None
        and fact.value.kind in (Kind.MODULE, Kind.PARAMETER, Kind.UNKNOWN)
        and part_of(fact.owner, module)
        and fact.time > min(event.time for event in freezes)
        for fact in script.facts_by_kind.get("attribute", ())
    ):
        return None
    for event in freezes:
        if event.time > optimizer.time and event.frame.loop() is not None and event.frame.tests():
            continue
        if event.time > optimizer.time:
            continue
        if not any(part_of(module, other) and other.time < event.time for other in touched(event)):
            continue
        word = by_name(event, optimizer.frame)
        if (module.time < event.time or module.op == "getattr") and (
            word is None or (isinstance(word, str) and _named(module, word))
        ):
            return event
    return None


def _related(module: Value, other: Value) -> bool:
    return part_of(module, other) or part_of(other, module)


def _named(module: Value, word: str) -> bool:
    """Whether the names of all of the module's parameters hold the word, as `model.fc` does "fc"."""
    return module.owner is not None and word.strip(".") in module.name.rpartition(".")[2]
