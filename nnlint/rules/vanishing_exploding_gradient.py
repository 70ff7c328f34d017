"""See rules/vanishing-exploding-gradient.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Rule, Sighting, listed

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture


class VanishingExplodingGradient(Rule):
    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        step = seen.first_step
        assert step is not None
        # Targets that are not finite have a rule of their own, which says where to look.
        if not all(criterion.finite for criterion in step.criteria):
            return
        place = next((loss.place for loss in step.losses if loss.place), step.place)
        # What is not stepped with may be what a gradient scaler has thrown away.
        stepped = [parameter for root in step.roots for parameter in root.parameters if parameter.steps]
        broken = [parameter.name for parameter in stepped if not parameter.finite]
        if broken:
            yield Sighting(
                place,
                f"the first gradients of {listed(broken)} are NaN or Inf, and the optimizer steps with them: "
                "the weights are lost from here on; look for a division, log or sqrt that meets zero, or an "
                "input that is not finite",
                evidence={"parameters": broken},
            )
