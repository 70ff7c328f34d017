"""What a script learns from its data before it splits them: fitted scalers, and where it splits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.static.splits import EVALUATION, TRAIN, TRAIN_TEST_SPLIT, role_in_name
from nnlint.static.values import Fact, Frame, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.model import ScriptModel

# What takes figures over from the rows it is fitted to; encoders of categories and labels only list them.
LEARNS = re.compile(
    r"^(?:sklearn|cuml|dask_ml)\.(?:preprocessing\.(?:\w+\.)?(?:\w+Scaler|QuantileTransformer|PowerTransformer"
    r"|TargetEncoder|KBinsDiscretizer)|decomposition\.\w+|impute\.\w+|feature_selection\.\w+"
    r"|feature_extraction\.text\.Tfidf\w+|discriminant_analysis\.\w+)$"
    r"|^category_encoders\.(?:\w+\.)?(?:TargetEncoder|LeaveOneOutEncoder|CatBoostEncoder|WOEEncoder)$"
)
CROSS_VALIDATION = re.compile(r"^sklearn\.model_selection\.\w*(?:Fold|Split|OneOut|GroupsOut)$")
RANDOM_SPLIT = "torch.utils.data.random_split"


@dataclass(eq=False)
class Fit:
    """One call of `fit` or `fit_transform`; `results` are what it gave."""

    call: Value
    tool: Value
    results: list[Value]
    apart: bool  # other data are transformed with it as well


@dataclass(eq=False)
class Split:
    """One place where data are split; `given` is what is split."""

    node: cst.CSTNode
    given: list[Value]
    time: int
    words: str
    frame: Frame | None = None


def fits(script: ScriptModel) -> Iterator[Fit]:
    """The scalers and the like that are fitted, with what they gave for the data that they were fitted to."""
    for call in script.calls_of(".fit_transform", ".fit"):
        tool, given = call.receiver, call.args[0] if call.args else call.kwargs.get("X")
        if tool is None or given is None or call.node is None or tool.alts or not _learns(tool):
            continue
        later = [
            other
            for other in script.calls_of(".transform")
            if other.receiver is tool and other.args and other.time > call.time
        ]
        same = [other for other in later if other.args[0] is given]
        results = [call] if call.op == ".fit_transform" else same
        yield Fit(call, tool, results, any(other.args[0] is not given for other in later))


def _learns(tool: Value) -> bool:
    """Whether it, or a step of the pipeline that it is, learns from rows."""
    return any(LEARNS.match(part.op) for part in tool.graph())


def splits(script: ScriptModel) -> Iterator[Split]:
    """The places where a data set, an array or a table is split into training and evaluation data."""
    for call in script.calls_of(TRAIN_TEST_SPLIT):
        if call.node is not None:
            yield Split(call.node, call.args, call.time, "train_test_split", call.frame)
    for call in script.calls_of(RANDOM_SPLIT):
        parts = [*call.args, *([call.element] if call.element is not None else [])]
        if call.node is not None and parts:
            yield Split(call.node, parts[0].args, call.time, "random_split", call.frame)
    for call in script.calls_of(".split"):
        if call.receiver is not None and CROSS_VALIDATION.match(call.receiver.op) and call.node is not None:
            yield Split(call.node, call.args[:1], call.time, "cross-validation")
    yield from _slices(script)


def _slices(script: ScriptModel) -> Iterator[Split]:
    """`train = data[:n]`, `test = data[n:]`."""
    heads: dict[tuple[int, str], Fact] = {}
    for fact in script.facts:
        rows = _rows(fact.value)
        if fact.kind not in {"name", "attribute"} or rows is None:
            continue
        lower, upper = (script.text(part.node) for part in rows.args[:2])
        base = fact.value.args[0]
        if lower in {"", "0"} and upper and role_in_name(fact.name) == TRAIN:
            heads[id(base), upper] = fact
        elif lower and role_in_name(fact.name) == EVALUATION:
            head = heads.get((id(base), lower))
            if head is not None:
                yield Split(head.node, [base], head.time, f"the slices at `{lower}`")


def _rows(value: Value) -> Value | None:
    """The slice of rows that `data[a:b]` or `data[a:b, :]` takes."""
    if value.op != "getitem" or len(value.args) < 2 or value.args[1].op != "slice":
        return None
    return value.args[1]
