"""See rules/gradient-check-failed.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.functions import FUNCTIONS, Functions, Input
from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture


class GradientCheckFailed(Rule):
    continuations = (FUNCTIONS,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        trajectory = seen.trajectories.get(FUNCTIONS.name)
        functions = trajectory.measure(Functions) if trajectory else None
        for function in functions.found if functions else ():
            # What hands on its input, or has steps, has another backward on purpose.
            if function.identity or any(entry.flat for entry in function.inputs):
                continue
            wrong = [entry for entry in function.inputs if entry.wrong]
            if not wrong:
                continue
            worst = max(wrong, key=lambda entry: entry.wrong)
            number = len(worst.differences)
            everywhere = worst.wrong == number
            yield Sighting(
                function.place or function.applied,
                f"the backward of `{function.name}` is not the derivative of its forward: by its input "
                f"{worst.number + 1} it differs from finite differences in {worst.wrong} of {number} "
                f"directions ({_factor(worst)}), so the optimizer is led astray; derive it anew and check "
                "it with torch.autograd.gradcheck in double precision",
                related=((function.applied, "applied here"),) if function.applied else (),
                severity=None if everywhere else Severity.WARNING,
                evidence={"backward": list(worst.backward), "differences": list(worst.differences)},
            )


def _factor(entry: Input) -> str:
    """By what factor it is off, if that is one number."""
    ratios = [
        one / other for one, other in zip(entry.backward, entry.differences, strict=True) if abs(other) > 1e-9
    ]
    if not any(entry.backward):
        return "it gives no gradient at all"
    if ratios and max(ratios) - min(ratios) < 1e-3 * abs(ratios[0]):
        return "it has the wrong sign" if abs(ratios[0] + 1) < 1e-3 else f"{ratios[0]:.3g} times as large"
    one, other = next(
        (one, other)
        for one, other in zip(entry.backward, entry.differences, strict=True)
        if abs(one - other) > 1e-3 * max(abs(one), abs(other))
    )
    return f"{one:.3g} in place of {other:.3g} in one of them"
