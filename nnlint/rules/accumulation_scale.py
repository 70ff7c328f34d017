"""See rules/accumulation-scale.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.state import roots
from nnlint.static.torch_api import LOSSES
from nnlint.static.totals import reduced
from nnlint.static.updates import GRADIENTS, Update, every_nth, touches, updates, writes_gradients
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# They divide by a running size of the gradient: a constant factor makes no difference.
SCALE_FREE = ("Adam", "RMSprop", "Adagrad", "Adadelta", "Lamb", "LAMB", "Lion")


class AccumulationScale(Rule):
    words = ("%",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for update in updates(script):
            window = _window(update)
            if window is None or writes_gradients(script, update.round) or _scaled(script, update):
                continue
            backward = update.before(*GRADIENTS)[-1]
            loss, at = backward.target, backward.call.node
            if loss is None or at is None or update.step.call.node is None:
                continue
            size = window.const if window.kind is Kind.CONST else f"`{script.name_of(window, 'that many')}`"
            yield self.problem(
                at,
                f"the gradients of {size} batches are added up, but `{script.name_of(loss, 'the loss')}` "
                f"is not divided by that number, so the step is as many times too large, and the batches "
                f"after the last full window are never stepped in their epoch; divide the loss, and step "
                f"on the last batch too",
                related=((update.step.call.node, "the step"),),
                severity=None if _feels_scale(update) else Severity.INFO,
            )


def _window(update: Update) -> Value | None:
    """The number of batches that one step of an accumulating loop sums up; None where it does not do so, or
    takes care of the last ones."""
    gradients = update.before(*GRADIENTS)
    test = every_nth(update.step.frame, update.round) if update.looped else None
    if test is None or test.value is None or len(gradients) != 1 or _under(gradients[0], test):
        return None
    if every_nth(gradients[0].frame, update.round) is not None:
        return None
    events = update.round.events
    if sum(event.kind is EventKind.STEP for event in events) != 1:
        return None
    clears = [event for event in events if event.kind is EventKind.ZERO_GRAD]
    if not clears or not all(_under(event, test) for event in clears):
        return None
    return _divisor(test.value, update.round)


def _under(event: Event, test: Frame) -> bool:
    return any(frame.node is test.node and frame.branch is test.branch for frame in event.frame.chain())


def _divisor(test: Value, loop: Frame) -> Value | None:
    """n in `i % n == 0`, `(i + 1) % n == 0` or `i % n == n - 1`, where i counts the loop's turns."""
    counted = next((part for part in (test, *test.args) if part.op == "remainder"), None)
    if test.op not in {"eq", "not"} or counted is None or len(counted.args) != 2:
        return None
    counters = counted.args[0].graph(lambda part: part.op == "index")
    indices = [part for part in counters if part.op == "index"]
    element = loop.value.element if loop.value is not None else None
    own = {id(part) for part in (element, *(element.args if element is not None else ())) if part is not None}
    if not indices or any(id(index) not in own for index in indices):
        return None  # a counter of the script's own may run on through the epochs
    window = counted.args[1]
    if window.kind is Kind.CONST and (type(window.const) is not int or window.const < 2):
        return None
    return window


def _scaled(script: ScriptModel, update: Update) -> bool:
    """Whether the loss may be scaled, is no mean, or a step outside of the loop may close the last window."""
    backward = update.before(*GRADIENTS)[-1]
    loss = backward.target
    if (
        backward.call.op != "backward"
        or backward.call.receiver is not None
        or loss is None
        or not _is_mean(script, loss)
    ):
        return True
    steps = script.events_of(EventKind.STEP)
    others = [event for event in steps if event.call.node is not update.step.call.node]
    if any(touches(event.target, update.optimizer) for event in others):
        return True
    # The rate, not what the optimizer was given to train.
    options = (
        value
        for optimizer in roots(update.optimizer)
        for value in (*optimizer.args[1:], *optimizer.kwargs.values())
    )
    return any(part.op == "div" for value in options for part in value.graph())


def _is_mean(script: ScriptModel, loss: Value) -> bool:
    """Whether it surely is a mean over its batch that nothing scales."""
    if loss.op == "scaler.scale" and loss.args:
        loss = loss.args[0]
    if loss.op == "getattr" and loss.const == "loss" and loss.args[0].op == "module_call":
        model = loss.args[0].receiver
        return model is not None and model.op.startswith("transformers.")
    scaled = any(
        part.op in {"mul", "div", "mul_", "div_"}
        for part in loss.graph(lambda part: "loss" in part.op or part.op in LOSSES)
    )
    return not scaled and reduced(script, loss) == "mean"


def _feels_scale(update: Update) -> bool:
    """Whether a constant factor on the gradients changes what the optimizer does."""
    if any(event.kind is EventKind.CLIP for event in update.round.events):
        return True
    return not any(name in update.optimizer.op for name in SCALE_FREE)
