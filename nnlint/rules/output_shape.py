"""See rules/output-shape.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.graph.makers import makers
from nnlint.rule import Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.plan import Criterion
    from nnlint.capture.supervise import Capture
    from nnlint.graph.nodes import Ref
    from nnlint.graph.step import GraphStep

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

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        # The losses that a script writes out; those of torch are looked at while they are called.
        for index in sorted(step.before_loss - step.before_prediction):
            sources = step.sources(index)
            if step.operator(index) != "sub" or not step.nodes[index].own or len(sources) != 2:
                continue
            for prediction, target in permutations(sources):
                if _serves_several(step, prediction, target):
                    shapes = list(step.shape(prediction)), list(step.shape(target))
                    yield Sighting(
                        step.nodes[index].place,
                        f"{step.called(prediction)} is {shapes[0]} and {step.called(target)} is {shapes[1]}: "
                        "they broadcast, so one number has to serve for all of them, and learns their mean; "
                        "give the last layer more outputs",
                        related=step.came_from(),
                        evidence={"prediction": shapes[0], "target": shapes[1]},
                    )


def _serves_several(step: GraphStep, prediction: Ref, target: Ref) -> bool:
    """Whether a model gives one number for each row of a target from the data that has several."""
    ours, theirs = step.shape(prediction), step.shape(target)
    made = makers(step, prediction)
    return (
        len(ours) == len(theirs) > 1
        and step.batch_places(prediction) == step.batch_places(target) == (0,)
        and (ours[-1], theirs[:-1]) == (1, ours[:-1])
        and theirs[-1] > 1
        and not step.value(target).learned
        and step.nodes[step.origin(target).node].op == "input"
        # Straight from the model, and not made a column on purpose.
        and all(part.node in step.before_prediction for part in made)
        and all(step.shape(part)[-1:] == (1,) for part in made)
        and step.nodes[prediction.node].grad
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
