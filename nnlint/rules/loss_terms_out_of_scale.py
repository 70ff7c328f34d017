"""See rules/loss-terms-out-of-scale.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.first_loss import FIRST_LOSS, FirstLoss
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

_RATIO = 100.0


class LossTermsOutOfScale(Rule):
    continuations = (FIRST_LOSS,)
    explained_by = ("target-out-of-range", "nan-inf-origin")

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        trajectory = seen.trajectories.get(FIRST_LOSS.name)
        first = trajectory.measure(FirstLoss) if trajectory else None
        if first is None:
            return
        data = [term for term in first.terms if term.data]
        # A model that fits already loses little on its data, so guessing sets the scale.
        scale = sum(max(abs(term.value), term.guess) for term in data)
        if not data or scale <= 0:
            return
        for term in first.terms:
            if not term.data and abs(term.value) > _RATIO * scale:
                yield Sighting(
                    term.place,
                    f"this term adds {term.value:.3g} to the first loss, to which the data adds "
                    f"{sum(one.value for one in data):.3g}: the gradient follows this term and hardly sees "
                    f"the data; weigh it with about {scale / abs(term.value):.0e} of what it has now, or "
                    "average it as the data term is averaged",
                    related=tuple((one.place, "the data term") for one in data if one.place),
                    evidence={"term": term.value, "data": [one.value for one in data]},
                )
