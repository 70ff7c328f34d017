"""See rules/swapped-call-arguments.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule
from nnlint.static.scan import FunctionInfo, Parameter, last_name
from nnlint.static.values import Kind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.values import Frame, Value

# Functions that are called both ways round on purpose.
ON_PURPOSE = re.compile(
    r"swap|revers|invers|symm|transpos|mirror|flip|recipro|pair|dist|iou|sim|kl|cross|cycle|backward|compare",
    re.IGNORECASE,
)
# Where something is computed the other way round, its calls are as well.
TURNED = re.compile(r"transpos|revers|invers|mirror|flip|swap", re.IGNORECASE)
# Sizes of a layer: a decoder's input is the encoder's output, whatever the two are called.
SIZE = re.compile(
    r"dims?$|size$|channels?$|features?$|units$|planes$|ch$|hidden|in$|out$|^n_|^num_|^d_|width$",
    re.IGNORECASE,
)
# One thing twice: `x1` and `x2`, `real_a` and `real_b`, `z_i` and `z_j`, `src` and `tgt`.
NUMBERED = re.compile(
    r"(?:_?\d+|_[a-z]|left|right|source|target|src|tgt|trg|first|second|query|key|anchor|user|item)(?=$|_)",
    re.IGNORECASE,
)
OBJECTS = frozenset({Kind.MODULE, Kind.LOADER, Kind.OPTIMIZER})
HARMLESS = frozenset(
    {"staticmethod", "classmethod", "no_grad", "inference_mode", "cached", "script", "compile"}
)


# scikit-learn's figures that change when labels and predictions change places (F1 and accuracy do not).
METRICS = tuple(
    f"sklearn.metrics.{name}"
    for name in (
        "precision_score", "recall_score", "roc_auc_score", "average_precision_score", "r2_score", "log_loss",
        "precision_recall_fscore_support", "classification_report", "roc_curve", "precision_recall_curve",
        "brier_score_loss", "balanced_accuracy_score", "mean_absolute_percentage_error",
    )
)  # fmt: skip
_PREDICTED = re.compile(
    r"(?:\w+_)?(?:y_?)?(?:preds?|predict(?:ed|ions?|s)?|hat|probs?|probabilities|scores?|logits)(?:_\w+|s)?",
    re.IGNORECASE,
)
_TRUE = re.compile(
    r"(?:\w+_)?(?:y_?)?(?:true|labels?|targets?|gts?|ground_?truths?|actuals?|y_?test|y_?val|y_?train)(?:_\w+)?",
    re.IGNORECASE,
)


class SwappedCallArguments(Rule):
    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        yield from self._own(script)
        yield from self._metrics(script)

    def _metrics(self, script: ScriptModel) -> Iterator[Problem]:
        """Predictions before the labels, where scikit-learn takes the labels first."""
        told: set[int] = set()
        for call in script.calls_of(*METRICS):
            if not isinstance(call.node, cst.Call) or id(call.node) in told:
                continue
            names = _names(call.node)
            if len(names) < 2 or not (_is_prediction(names[0]) and _is_truth(names[1])):
                continue
            told.add(id(call.node))
            yield self.problem(
                call.node,
                f"`{call.op.rpartition('.')[2]}` takes the true labels first, and is given `{names[0]}` as "
                f"the labels and `{names[1]}` as the predictions: the figure is another one; write "
                f"`({names[1]}, {names[0]})`",
            )

    def _own(self, script: ScriptModel) -> Iterator[Problem]:
        calls = list(_calls(script))
        for call, function, place in calls:
            found = _swap(script, call, function)
            if found is None or ON_PURPOSE.search(function.name) or not _plain(function):
                continue
            first, second, apart = found
            if not apart and TURNED.search(_surroundings(call, place)):
                continue
            others = [other for other in calls if other[1] is function and other[2] is place]
            if not apart and any(_straight(other, first.name, second.name) for other, _, _ in others):
                continue
            name = function.cls.name if function.cls and function.name == "__init__" else function.name
            yield self.problem(
                call,
                f"`{name}` takes `{first.name}` before `{second.name}` and is given `{second.name}` before "
                f"`{first.name}`: each stands in the other's place; swap them, or pass them by keyword",
                related=((first.node, "the parameters"),),
            )


def _surroundings(call: cst.Call, place: FunctionInfo | None) -> str:
    """What the call is part of, and what else it says: names of class and function, keywords."""
    names = [argument.keyword.value for argument in call.args if argument.keyword is not None]
    if place is not None:
        names += [place.name, place.cls.name if place.cls is not None else ""]
    return " ".join(names)


def _is_prediction(name: str) -> bool:
    return _PREDICTED.fullmatch(name) is not None


def _is_truth(name: str) -> bool:
    return _TRUE.fullmatch(name) is not None and not _is_prediction(name)


def _calls(script: ScriptModel) -> Iterator[tuple[cst.Call, FunctionInfo, FunctionInfo | None]]:
    """Every call of a function of this file, once, whether it was followed or not, and where it stands."""
    seen: set[int] = set()
    frames: set[int] = set()
    places = (*(call.frame for call in script.calls), *(fact.frame for fact in script.facts))
    for place in places:
        frame = place
        while frame is not None and id(frame) not in frames:
            frames.add(id(frame))
            node, info = frame.node, frame.function
            if isinstance(node, cst.Call) and info is not None and id(node) not in seen:
                this = frame.value.receiver if frame.value is not None else None
                if info.name != "forward" or this is None or this.node is not node:
                    seen.add(id(node))
                    yield node, info, _function(frame.parent)
            frame = frame.parent
    for call in script.calls_of("call"):
        function = call.receiver.function if call.receiver is not None else None
        if function is not None and isinstance(call.node, cst.Call) and id(call.node) not in seen:
            seen.add(id(call.node))
            yield call.node, function, _function(call.frame)


def _function(frame: Frame | None) -> FunctionInfo | None:
    return next(iter(frame.functions()), None) if frame is not None else None


def _names(call: cst.Call) -> list[str]:
    """The last names of the positional arguments; "" for anything but a name or an attribute."""
    found: list[str] = []
    for argument in call.args:
        if argument.keyword is not None or argument.star:
            break
        found.append(
            last_name(argument.value) if isinstance(argument.value, (cst.Name, cst.Attribute)) else ""
        )
    return found


def _swap(
    script: ScriptModel, call: cst.Call, function: FunctionInfo
) -> tuple[Parameter, Parameter, bool] | None:
    """The two parameters whose names stand in each other's place, and whether they are things apart."""
    parameters = function.parameters
    if function.cls is not None and not function.decorated("staticmethod"):
        parameters = parameters[1:]
    given = list(zip(parameters, _names(call), strict=False))
    for i, (first, name) in enumerate(given):
        for j, (second, other) in enumerate(given[i + 1 :], i + 1):
            if name != second.name or other != first.name or name == other:
                continue
            apart = _apart(*(script.value_of(call.args[place].value) for place in (i, j)))
            if apart or _telling(name, other, function):
                return first, second, apart
    return None


def _apart(first: Value | None, second: Value | None) -> bool:
    """Whether one is a model, a loader, an optimizer, and the other is not: no order of them is a choice."""
    if first is None or second is None:
        return False
    kinds = {first.kind, second.kind}
    return len(kinds) == 2 and bool(kinds & OBJECTS) and not kinds & {Kind.CLASS, Kind.FUNCTION, Kind.CONST}


def _telling(name: str, other: str, function: FunctionInfo) -> bool:
    """Whether two names say enough for their order to be wrong."""
    if min(len(name), len(other)) < 2 or len(name) + len(other) < 6:
        return False
    if function.name == "__init__" and SIZE.search(name) and SIZE.search(other):
        return False
    return NUMBERED.sub("", name) != NUMBERED.sub("", other)


def _straight(call: cst.Call, first: str, second: str) -> bool:
    """Whether another call passes the same two names in order: then both directions are meant."""
    names = _names(call)
    return first in names and second in names and names.index(first) < names.index(second)


def _plain(function: FunctionInfo) -> bool:
    return all(last_name(decorator.decorator) in HARMLESS for decorator in function.node.decorators)
