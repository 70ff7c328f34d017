"""See rules/suspicious-learning-rate.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting, Skip
from nnlint.static.arguments import argument, constant
from nnlint.static.updates import trained
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.experiments.ramp import Ramp, Range
    from nnlint.static.model import ScriptModel

# Optimizer -> the largest rate that is in use.
LARGEST = {
    "SGD": 1.0, "Adam": 0.1, "AdamW": 0.1, "NAdam": 0.1, "RAdam": 0.1, "Adamax": 0.1, "RMSprop": 0.1,
}  # fmt: skip
SMALLEST = 1e-7
# A rate so many times below the one at which the loss falls fastest trains, but slowly.
SLOW = 1000.0


class SuspiciousLearningRate(Rule):
    words = ("optim",)
    # A loop that learns nothing at any rate shows nothing about the rate.
    explained_by = ("input-independent-baseline", "overfit-small-batch")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.ramp import RAMP

        return (RAMP,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        from nnlint.experiments.ramp import RAMP, Ramp, read

        trajectory = seen.trajectories.get(RAMP.name)
        ramp = trajectory.measure(Ramp) if trajectory else None
        found = read(ramp) if ramp is not None else None
        if ramp is None or found is None:
            # What kept the continuation itself from being run is said with it.
            if trajectory is not None:
                yield Skip("in the range test the loss never falls clearly, so that it shows no rate")
            return
        if found.diverges is not None and ramp.own >= found.diverges:
            what = f"diverges from a rate of {found.diverges:.1g} on"
        elif ramp.own * SLOW < found.steepest:
            what = f"falls fastest at a rate of {found.steepest:.1g}, more than {SLOW:g} times this one"
        else:
            return
        yield Sighting(
            ramp.place,
            f"{ramp.optimizer} steps with a learning rate of {ramp.own:g}; in a range test through this loop "
            f"the loss {what}; {found.suggestion:.1g} is what the test suggests",
            evidence=_curve(ramp, found),
        )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        scheduled = _scheduled(script)
        for optimizer in script.optimizers:
            name = optimizer.op.rpartition(".")[2]
            rate = constant(optimizer, "lr")
            given = argument(optimizer, "lr")
            if (
                name not in LARGEST
                or type(rate) not in (int, float)
                or given is None
                or optimizer.node is None
            ):
                continue
            assert isinstance(rate, (int, float))
            if not any(part.kind is Kind.MODULE for part in trained(optimizer)):
                continue  # an input is optimised, with rates of its own scale
            if id(optimizer) in scheduled or rate == 0 or SMALLEST <= rate <= LARGEST[name]:
                continue
            how = "large" if rate > LARGEST[name] else "small"
            yield self.problem(
                optimizer.node,
                f"a learning rate of {rate:g} is unusually {how} for {name}, which is used with rates "
                f"between 1e-6 and {LARGEST[name]:g}; if it is meant, a range test will show that it holds",
            )


def _scheduled(script: ScriptModel) -> set[int]:
    """The optimizers whose rate a scheduler multiplies or replaces."""
    return {
        id(part)
        for call in script.calls
        if call.kind is Kind.SCHEDULER
        for given in (*call.args[:1], *_named(call))
        for part in given.alternatives()
    }


def _named(call: Value) -> list[Value]:
    return [value for key, value in call.kwargs.items() if key == "optimizer"]


def _curve(ramp: Ramp, found: Range) -> dict[str, object]:
    """The curve and what was read from it, for the reader's own eyes."""
    return {
        "rates": list(ramp.rates),
        "losses": [str(loss) for loss in ramp.losses],
        "steepest": found.steepest,
        "diverges": found.diverges,
        "suggestion": found.suggestion,
    }
