"""See rules/output-shape.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.plan import Criterion
    from nnlint.capture.supervise import Capture

# The losses that take any two shapes that broadcast; the others raise.
_TAKE_ANY = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"})


class OutputShape(Rule):
    explained_by = ("loss-broadcast",)

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        step = seen.first_step
        assert step is not None
        if not step.criteria:
            yield Skip(
                "the first iteration calls no loss of torch.nn.functional whose target has a known shape"
            )
        for criterion in step.criteria:
            if criterion.name in _TAKE_ANY and (narrow := _narrow(criterion)):
                prediction, target = list(criterion.prediction), list(criterion.target)
                if narrow == "prediction":
                    why = (
                        "one number has to serve for all of them, and learns their mean; give the last layer "
                        "more outputs"
                    )
                else:
                    why = "every one of its numbers learns the same target; give the last layer one output"
                yield Sighting(
                    criterion.place,
                    f"the prediction is {prediction} and the target is {target}: they broadcast, so {why}",
                    # That a target is repeated, as for quantiles or an ensemble, may be meant.
                    severity=Severity.ERROR if narrow == "prediction" else Severity.WARNING,
                    evidence={"prediction": prediction, "target": target},
                )


def _narrow(criterion: Criterion) -> str:
    """Which side has one number in a row where the other has several; "" if neither or that is no matter."""
    prediction, target = criterion.prediction, criterion.target
    if len(prediction) != len(target) or len(prediction) < 2 or prediction[0] != target[0]:
        return ""
    # A target that is the same everywhere (real or fake) fits any shape.
    if criterion.low == criterion.high:
        return ""
    pairs = list(zip(prediction[1:], target[1:], strict=True))
    narrow = {
        "prediction" if ours == 1 else "target"
        for ours, theirs in pairs
        if ours != theirs and 1 in (ours, theirs)
    }
    return narrow.pop() if len(narrow) == 1 else ""
