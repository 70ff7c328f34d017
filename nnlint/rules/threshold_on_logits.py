"""See rules/threshold-on-logits.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import SAME_SCALE, hand_written, is_raw, losses_of, surely
from nnlint.static.state import roots
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

# Losses that apply the sigmoid or softmax themselves.
WITH_LOGITS = ("binary_cross_entropy_with_logits", "cross_entropy", "multilabel_soft_margin_loss")
OVER = {"gt": 1, "ge": 1, "lt": 0, "le": 0}  # the operand that is the bar when the prediction stands first
ROUNDS = ("round", "builtins.round", "numpy.round", "numpy.rint", "numpy.around")
KEEPS = SAME_SCALE | {
    "detach", "data", "numpy", "item", "tolist", "element", "numpy.array", "numpy.asarray", "numpy.squeeze",
    "numpy.ravel", "builtins.float", "tensor", "as_tensor", "torch.Tensor",
}  # fmt: skip
SAME_OUTPUT = KEEPS - {"getitem", "narrow", "select", "part", "item_of", "gather", "index_select"}
LOGARITHMS = frozenset({"log_softmax", "logsigmoid"})
ALWAYS_ABOVE = (
    "{name} is a sigmoid's output, which is always above 0, so {written} never changes; compare with 0.5, or "
    "compare the logits with 0"
)
LOGARITHM = (
    "{name} holds log-probabilities, which are never above 0, so {written} never changes; take exp() "
    "first, or use argmax"
)


class ThresholdOnLogits(Rule):
    words = ("0.5", "round", "rint", "sigmoid", "Sigmoid", ".5")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        trained: dict[object, tuple[Value, Value]] = {}
        for loss in losses_of(script, *WITH_LOGITS):
            for part in _outputs(loss.prediction):
                trained.setdefault(_maker(script, part), (loss.call, part))
        for call in script.calls_of(*OVER, *ROUNDS):
            if call.node is None:
                continue
            for prediction, bar in _thresholds(call):
                problem = self._judge(script, call, prediction, bar, trained)
                if problem is not None:
                    yield problem
                    break

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph import makers
        from nnlint.graph.criteria import criteria

        for index, node in enumerate(step.nodes):
            operator = step.operator(index)
            bar = 0.5 if operator == "round" else node.arguments.get("other")
            if not node.own or operator not in (*OVER, "round") or bar not in (0, 0.5):
                continue
            scores = step.sources(index)[0]
            name, written = step.called(scores), f"`{operator}` with {bar:g}"
            if bar == 0 and makers.made_by(step, scores, "sigmoid"):
                yield Sighting(node.place, ALWAYS_ABOVE.format(name=name, written=written))
            elif bar == 0.5 and makers.made_by(step, scores, *makers.LOG_PROBABILITIES):
                yield Sighting(node.place, LOGARITHM.format(name=name, written=written))
            elif bar == 0.5:
                made = set(makers.surely(step, scores, lambda made: makers.is_raw(step, made)))
                for loss in criteria(step, *WITH_LOGITS[:2]):
                    if made and made <= set(makers.makers(step, loss.prediction)):
                        done = "rounds them" if operator == "round" else "compares them with 0.5"
                        yield Sighting(
                            node.place,
                            f"{name} holds logits, as {loss.name} expects them, and `{operator}` {done}: "
                            f"{_advice(loss.name)} first",
                            related=((step.nodes[loss.node].place, "the loss that expects logits"),),
                        )
                        break

    def _judge(
        self,
        script: ScriptModel,
        call: Value,
        prediction: Value,
        bar: float,
        trained: dict[object, tuple[Value, Value]],
    ) -> Problem | None:
        assert call.node is not None
        name = script.name_of(prediction, "the output")
        written = f"`{script.text(call.node, 40)}`"
        sigmoids = surely(prediction, lambda value: value.op == "sigmoid", KEEPS)
        if sigmoids and bar == 0 and call.op in OVER:
            return self.problem(
                call.node,
                ALWAYS_ABOVE.format(name=f"`{name}`", written=written),
            )
        if sigmoids and bar == 0.5 and _twice(sigmoids):
            return self.problem(
                call.node,
                f"`{name}` went through a sigmoid twice and is always at least 0.5, so {written} never "
                f"changes; leave one of the two out",
            )
        if bar == 0.5 and surely(prediction, lambda value: value.op in LOGARITHMS, KEEPS):
            return self.problem(
                call.node,
                LOGARITHM.format(name=f"`{name}`", written=written),
            )
        if bar != 0.5:
            return None
        parts = _outputs(prediction)
        found = [trained.get(_maker(script, part)) for part in parts]
        if not found or None in found:
            return None
        loss, part = next(item for item in found if item is not None)
        raw = bool(surely(prediction, is_raw, KEEPS))
        same = any(part is other for other in parts)
        done = "rounds them" if call.op in ROUNDS else "compares them with 0.5"
        return self.problem(
            call.node,
            f"`{name}` holds logits, as {loss.op} expects them, and {written} {done}: "
            f"{_advice(loss.op)} first",
            related=((loss.node, "the loss that expects logits"),),
            severity=None if raw or same else Severity.WARNING,
        )


def _advice(loss: str) -> str:
    if loss == "cross_entropy":
        return "0.5 means nothing for a raw score; use argmax, or take softmax"
    return "a score between 0 and 0.5 is a yes that is counted as a no; compare with 0, or take sigmoid"


def _thresholds(call: Value) -> Iterator[tuple[Value, float]]:
    """What is held against which bar."""
    if call.op in ROUNDS:
        if len(call.args) == 1 and not call.kwargs:
            yield call.args[0], 0.5
        return
    for position in (0, 1):
        if len(call.args) == 2:
            bar = call.args[1 - position]
            bars = {part.const for part in bar.alternatives() if part.kind is Kind.CONST}
            if len(bars) == len(bar.alternatives()) == 1 and bars & {0, 0.5}:
                yield call.args[position], float(bars.pop())


def _twice(sigmoids: list[Value]) -> bool:
    """Whether what each sigmoid is given surely is a sigmoid's output, too."""
    return all(
        part.args and surely(part.args[0], lambda value: value.op in {"sigmoid", "softmax"}, KEEPS)
        for part in sigmoids
    )


def _outputs(value: Value) -> list[Value]:
    """What surely stands behind; `out[:, 4]` is another output than `out[:, :4]`, `out[mask]` is not."""
    found: list[Value] = []
    for part in surely(value, lambda _: True, SAME_OUTPUT):
        indices = part.args[1:] if part.op == "getitem" else []
        if indices and not any(index.kind is Kind.CONST or index.op == "slice" for index in indices):
            found.extend(_outputs(part.args[0]))
        else:
            found.append(part)
    return found


def _maker(script: ScriptModel, part: Value) -> object:
    """What an output is known by: the layer with its weights, or the unseen module, and which part it is."""
    place = ""
    if part.op == "getitem" and part.args:
        place = script.text(part.node).partition("[")[2]
        part = next(iter(_outputs(part.args[0])), part)
    elif part.op == "item_of" and part.args:
        place, part = str(part.const), part.args[0]
    weight = hand_written(part)
    if weight is not None:
        return id(weight), place
    if is_raw(part) and part.receiver is not None:
        return id(part.receiver), place
    if part.op == "module_call" and part.receiver is not None and part.result is None:
        return tuple(id(root) for root in roots(part.receiver)), place
    return id(part), place
