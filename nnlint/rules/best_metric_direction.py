"""See rules/best-metric-direction.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.attacks import searches_inputs
from nnlint.static.metrics import Better, announces, better, better_by_name, never_negative
from nnlint.static.monitors import monitors, save_intervals
from nnlint.static.objectives import objectives, score_functions
from nnlint.static.selections import Selection, comparisons, selections, selects_weights, unmoved
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class BestMetricDirection(Rule):
    words = ("best", "min", "max", "save", "mode", "optuna", "score")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for found in selections(script):
            if _is_selection(script, found):
                yield from self._judge(script, found)
        for kept in unmoved(script):
            yield self.problem(
                kept.node,
                f"`{kept.best_name}` is never set to `{kept.name}` and stays at {kept.start:g}, so every "
                f"result that beats that is saved, and the last one is kept instead of the best; write "
                f"`{kept.best_name} = {kept.name}` here",
                related=((kept.made, "set here, and never again"),),
            )
        for monitor in monitors(script):
            yield self.problem(
                monitor.node,
                f"`{monitor.name}` is better when it is {monitor.better.value}, but {monitor.setting} "
                f"keeps the "
                f"{'lowest' if monitor.better is Better.HIGHER else 'highest'}; {monitor.repair}",
            )
        for node, name, direction in score_functions(script):
            turned = "give it negated" if direction is Better.LOWER else "give it as it is"
            yield self.problem(
                node,
                f"`{name}` is better when it is {direction.value}, but ignite keeps the highest score, which "
                f"is that of the worst `{name}`; {turned}",
            )
        for node, name, direction, study in objectives(script):
            wanted, does = (
                ("maximize", "minimizes") if direction is Better.HIGHER else ("minimize", "maximizes")
            )
            figure = f"`{name}`, which the objective returns," if name else "what the objective returns"
            goes = "this study" if "direction" in study.kwargs else "a study without `direction`"
            yield self.problem(
                node,
                f"{figure} is better when it is {direction.value}, but {goes} {does} it; write "
                f'`direction="{wanted}"`',
            )
        for test in save_intervals(script):
            yield self.problem(
                test.node,
                f"`{script.text(test.node)}` is true except every `{script.text(test.interval)}`-th "
                f"time, so that everything is "
                f"saved but the intended checkpoints; write `{script.text(test.node)} == 0`",
            )

    def _judge(self, script: ScriptModel, found: Selection) -> Iterator[Problem]:
        flow = better(found.new)
        direction = _direction(script, found, flow)
        start = found.initial()
        if direction is not None and direction is not found.keeps:
            yield self.problem(
                found.node,
                f"`{found.name}` is better when it is {direction.value}, but the {found.keeps.value} "
                f"value is kept as "
                f"`{found.best_name}`, so the worst result is taken for the best; turn the comparison round",
                severity=None if flow is not None else Severity.WARNING,
            )
        elif len(start) == 1 and (impossible := _never(found, start[0], direction)):
            yield self.problem(
                found.node,
                f"`{found.best_name}` starts at {start[0]:g}, and `{found.name}` is never "
                f"{impossible}: nothing is ever kept "
                f"as best; start from the other end",
            )
        elif found.margin is not None and (worse := _wrong_margin(found)) is not None:
            sign = "added to" if found.margin_sign > 0 else "subtracted from"
            yield self.problem(
                found.node,
                f"the margin is {sign} `{found.best_name}`, so a `{found.name}` that is worse than "
                f"the best by less than the "
                f"margin counts as an improvement and replaces it; give the margin the other sign",
                severity=worse,
            )


def _direction(script: ScriptModel, found: Selection, flow: Better | None) -> Better | None:
    """By data flow; else by the names, where none of them contradicts another."""
    names = {better_by_name(name) for name in (found.name, found.best_name, found.new.name)} - {None}
    if flow is not None:
        return flow if not names or names == {flow} else None
    if "attack" in script.source.text:
        return None  # whose accuracy it is, the name does not say
    written = _SCORE.search(script.text(found.new.node, 400)) if not found.new.alts else None
    if len(names) != 1 or written or _taken_from_a_score(found.new):
        return None
    return names.pop()


def _taken_from_a_score(figure: Value) -> bool:
    """Whether it is read from something called a score or a metric: then its own name may be an old one."""
    return any(_SCORE.search(part.name) for part in figure.graph() if part is not figure)


def _is_selection(script: ScriptModel, found: Selection) -> bool:
    """Whether the best result is meant, not a maximum for its own sake, and not an attack on the model."""
    said = announces(found.best_name)
    words = found.best_name.lower()
    extreme = said is found.keeps and "best" not in words and not selects_weights(script, found)
    if "worst" in words or extreme:
        return False
    if not ("best" in words or said is not None or selects_weights(script, found)):
        return False
    if searches_inputs(found.frame) and not selects_weights(script, found):
        return False
    return not _chosen_by_setting(script, found)


# By their definition, whatever computes them.
_NEVER_NEGATIVE = re.compile(r"(?!.*neg)(?:\w+[._])?(?:rmse|mse|mae|wer|cer|ppl|perplexity)")
_SCORE = re.compile(r"score|metric", re.IGNORECASE)
_SETTING = re.compile(
    r"(?<![a-z])mode(?![a-z])|maximi[sz]e|minimi[sz]e|higher|lower|greater|smaller|larger|direction|increas|decreas|ascend|descend"
)


def _chosen_by_setting(script: ScriptModel, found: Selection) -> bool:
    """Whether a setting decides the direction: `mode == "min" and …`, or both directions in one test."""
    tests = [frame.value for frame in found.frame.tests() if frame.value is not None]
    if found.frame.value is not None and len({test.op for test in comparisons(found.frame.value)}) > 1:
        return True
    return any(
        _SETTING.search(script.text(test.node, 400))
        or any(_SETTING.search(part.name) for part in test.graph())
        for test in tests
    )


def _never(found: Selection, start: float, direction: Better | None) -> str:
    """Why the first comparison can never be won."""
    if found.frame.value is not None and found.frame.value.op == "or":
        return ""  # `if best is None or …`: something else lets the first one in
    if start == float("inf") and found.keeps is Better.HIGHER:
        return "higher than that"
    if start == float("-inf") and found.keeps is Better.LOWER:
        return "lower than that"
    positive = never_negative(found.new) or _NEVER_NEGATIVE.fullmatch(found.name.lower()) is not None
    if start == 0 and found.keeps is Better.LOWER and direction is not None and positive:
        return "below zero"
    return ""


def _wrong_margin(found: Selection) -> Severity | None:
    """A margin must make it harder to win; where its value is not known it is taken to be positive."""
    margin = found.margin
    assert margin is not None
    eases = found.margin_sign > 0 if found.keeps is Better.LOWER else found.margin_sign < 0
    constants = [part.const for part in margin.alternatives() if part.kind is Kind.CONST]
    numbers = [number for number in constants if isinstance(number, (int, float))]
    if any(number < 0 for number in numbers) or (numbers and all(number == 0 for number in numbers)):
        return None
    if not eases or not ("delta" in margin.name or "tol" in margin.name or numbers):
        return None
    return Severity.ERROR if numbers else Severity.WARNING
