"""`--only` and `--skip`."""

from __future__ import annotations

import pytest
from support import every_rule

from nnlint.chosen import ChoiceError, chosen, names, records, taken, used_by
from nnlint.experiments.loops import LATER
from nnlint.judge import needed

RULES = every_rule().rules


def _names(*, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> set[str]:
    return {rule.page.name for rule in chosen(RULES, only, skip)}


def test_without_a_choice_every_rule_stays() -> None:
    assert _names() == {rule.page.name for rule in RULES}


def test_an_experiment_takes_its_rules_with_it_and_no_others() -> None:
    gone = _names() - _names(skip=("overfit",))
    assert "overfit-small-batch" in gone
    assert "chart-dependencies" not in gone
    assert "output-shape" not in gone


def test_only_keeps_what_needs_no_experiment() -> None:
    kept = _names(only=("dependencies",))
    assert {"chart-dependencies", "output-shape"} <= kept
    assert not {"overfit-small-batch", "input-independent-baseline"} & kept


def test_every_rule_with_continuations_belongs_to_an_experiment() -> None:
    # The first steps of loops that come later are judged like the first one, which is no experiment.
    own = {rule.page.name: set(rule.continuations) - {LATER} for rule in RULES if not used_by(rule)}
    assert [name for name, continuations in own.items() if continuations] == []


def test_a_name_that_nobody_has_is_an_error_with_a_suggestion() -> None:
    assert "overfit" in names()
    with pytest.raises(ChoiceError, match="did you mean overfit"):
        chosen(RULES, ("overfitt",), ())


def _meters(only: tuple[str, ...], skip: tuple[str, ...]) -> set[str]:
    rules = chosen(RULES, only, skip)
    graphs = records(rules, only, skip)
    return {meter for entry in taken(needed(rules, graphs=graphs), only, skip) for meter in entry.meters}


@pytest.mark.parametrize(
    ("only", "skip", "done"),
    [
        ((), (), {"later", "graph", "fit", "modes"}),
        (("overfit",), (), {"fit"}),
        (("later",), (), {"later"}),
        (("graph",), (), {"graph"}),
        ((), ("later",), {"graph", "fit", "modes"}),
        ((), ("graph",), {"later", "fit", "modes"}),
    ],
)
def test_only_what_is_wanted_is_run(only: tuple[str, ...], skip: tuple[str, ...], done: set[str]) -> None:
    assert _meters(only, skip) & {"later", "graph", "fit", "modes"} == done


def test_the_graph_is_recorded_for_a_rule_that_asks_for_it_in_a_run_only() -> None:
    (rule,) = (rule for rule in RULES if rule.page.name == "hard-coded-batch")
    assert "G" not in rule.page.tiers
    assert records([rule], (), ())
    assert not records([rule], (), ("graph",))
