"""See rules/regularisation-audit.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.loops import REAL
from nnlint.experiments.regularisation import HELD, PLAIN, SETTINGS, Regularisation, ends, stands
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture

# Without regularisation the loss falls to so much of its first value, with it not even to so much.
FALLS, STAYS = 0.5, 0.85
# Less dropout, or less decay at a step, hides nothing.
DROPOUT, SHRINKS, SHARE = 0.5, 1e-4, 0.3


class RegularisationAudit(Rule):
    continuations = (SETTINGS, REAL)

    def more(self, seen: Capture) -> tuple[Continuation, ...]:
        settings, real = _settings(seen), seen.trajectories.get(REAL.name)
        if settings is None or real is None or not _strong(settings):
            return ()
        return (HELD, PLAIN) if stands([step.loss for step in real.steps]) else ()

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        settings, found = _settings(seen), ends(seen.trajectories)
        if settings is None or found is None or not _strong(settings):
            if HELD.name in seen.trajectories:
                yield Skip("the loop could not be continued long enough on its first batch")
            return
        if found.first <= 0 or found.plain > FALLS * found.first or found.held < STAYS * found.first:
            return
        if found.held - found.plain < 4 * found.noise:
            return
        causes = []
        if settings.dropout >= DROPOUT:
            causes.append(f"dropout of {settings.dropout:g} in `{settings.layer}`")
        if settings.shrinks >= SHRINKS or settings.share >= SHARE:
            causes.append(f"a weight decay of {settings.decay:g} in {settings.optimizer}")
        yield Sighting(
            settings.place,
            f"{' and '.join(causes)} hides the data from the model: on one batch, 60 steps bring the "
            f"loss from {found.first:.3g} to {found.held:.3g} with it and to {found.plain:.3g} without; "
            "reduce it, and add regularisation only once the model overfits",
            evidence={"first": found.first, "with": found.held, "without": found.plain},
            # The decay is what keeps ten samples from being learnt, too.
            explains=("overfit-small-batch", "simple-baseline"),
        )


def _settings(seen: Capture) -> Regularisation | None:
    first = seen.trajectories.get(SETTINGS.name)
    return first.measure(Regularisation) if first else None


def _strong(settings: Regularisation) -> bool:
    return settings.dropout >= DROPOUT or settings.shrinks >= SHRINKS or settings.share >= SHARE
