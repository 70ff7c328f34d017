"""See rules/input-independent-baseline.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments import baseline, overfit
from nnlint.experiments.fit import Fit, level
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture


class InputIndependentBaseline(Rule):
    continuations = (overfit.TEN,)
    explained_by = (
        "loss-broadcast",
        "single-logit-cross-entropy",
        "non-differentiable-loss",
        "everything-frozen",
    )

    def more(self, seen: Capture) -> tuple[Continuation, ...]:
        own = overfit.base(seen.trajectories)
        if own is None:
            return (overfit.WHOLE,)
        real = own.measure(Fit)
        if real is None or real.optimizers != 1 or real.unbounded or baseline.below_chance(real):
            return ()
        found = baseline.pairs(seen.trajectories)
        if not found:
            return (baseline.ZEROED if own.name == overfit.TEN.name else baseline.WHOLE_ZEROED,)
        if baseline.depends(*found[0]):
            return ()
        return (overfit.ADAM, baseline.ADAM_ZEROED, overfit.ANEW, baseline.ANEW_ZEROED)

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        own = overfit.base(seen.trajectories)
        real = own.measure(Fit) if own is not None else None
        found = baseline.pairs(seen.trajectories)
        if real is None:
            yield Skip("the loop could not be continued on its first batch")
        elif real.optimizers > 1:
            yield Skip("several optimizers step, and one loss does not speak for all of them")
        elif real.unbounded:
            yield Skip(f"it is not known what guessing gives: {real.unbounded}")
        elif baseline.below_chance(real) or (found and baseline.depends(*found[0])):
            return
        elif len(real.losses) < overfit.LEAST:
            yield Skip(f"the loop ended after {len(real.losses)} updates, too few to tell")
        elif len(found) < 3:
            yield Skip("too little could be run to tell")
        elif any(baseline.depends(*pair) for pair in found):
            yield Skip("the first try did no better than without inputs, and another one did")
        elif not any(baseline.settled(fit) for fit, _ in found):
            yield Skip("the loss is not yet where a constant prediction would be")
        else:
            ends = [(level(fit.losses), level(zeroed.losses)) for fit, zeroed in found]
            yield Sighting(
                real.place or (seen.first_step.place if seen.first_step else None),
                f"the loss of the first samples ends at {ends[0][0]:.4g}, and at {ends[0][1]:.4g} with their "
                "inputs set to zero; another optimizer and another initialisation change nothing: the "
                "prediction does not depend on the input. Look at what the model is called with, for layers "
                "that are dead or skipped, and for a value that is computed and then not used",
                evidence={
                    "real": [end[0] for end in ends],
                    "zeroed": [end[1] for end in ends],
                    "chance": None if real.unbounded else real.chance,
                },
            )
