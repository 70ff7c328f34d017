"""See rules/schedule-formula.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.rates import growing_power, per_epoch, sets_rate, shut, starts_at_zero

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Fact, Frame

# A warm-up may begin with a step of rate zero.
_STEPS = 10
_SCHEDULES = frozenset({"lr", "rate", "schedule", "scheduler", "sched", "warmup", "decay"})


class ScheduleFormula(Rule):
    words = ("lr", "learning_rate")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.health import of

        health = of(seen)
        for stepper in health.steppers if health else ():
            wasted = next((at for at, rate in enumerate(stepper.rates) if rate), len(stepper.rates))
            if wasted >= _STEPS:
                yield Sighting(
                    stepper.place,
                    f"the rate of this optimizer was 0 in each of its first {wasted} steps: "
                    "nothing is trained in them; let the schedule count from 1, and a warm-up rise from "
                    "the first step on",
                    evidence={"rates": list(stepper.rates)},
                )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for fact in script.facts:
            if not _concerns_rate(fact):
                continue
            outer = shut(fact.frame)
            if outer is not None and not _guards(fact, outer):
                yield self.problem(
                    fact.node,
                    f"`{script.text(fact.node, 40)}` is never reached: whatever passes its test is caught by "
                    f"`{script.text(_condition(outer), 30)}` before, so this stage of the schedule does not "
                    f"take place; test the later stage first",
                    related=((_condition(outer), "catches it"),),
                )
        for rate in per_epoch(script):
            if starts_at_zero(rate):
                yield self.problem(
                    rate.node,
                    "the rate is 0 in epoch 0, so a whole epoch is trained for nothing; count from 1, as in "
                    "`(epoch + 1) / warmup`, or write `**` where a power was meant",
                )
            power = growing_power(rate)
            if power is not None:
                yield self.problem(
                    power.node or rate.node,
                    f"`{script.text(power.node or rate.node, 40)}` makes the learning rate grow from epoch "
                    f"to epoch without bound; a decay needs a base below 1",
                )


def _condition(branch: Frame) -> cst.CSTNode:
    """The test of a branch."""
    return branch.value.node if branch.value is not None and branch.value.node is not None else branch.node


def _guards(fact: Fact, outer: Frame) -> bool:
    """Whether a function for any step is only called for some: its last stage is a safeguard."""
    home = next((frame for frame in fact.frame.chain() if frame.function is not None), None)
    return fact.kind == "return" and home is not None and not outer.inside(home)


def _concerns_rate(fact: Fact) -> bool:
    if fact.kind in {"subscript", "name", "augmented"}:
        return sets_rate(fact)
    functions = fact.frame.functions()
    return (
        fact.kind == "return"
        and bool(functions)
        and bool(_SCHEDULES & set(functions[0].name.lower().split("_")))
    )
