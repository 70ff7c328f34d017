"""Bugs planted in sound scripts that are run are seen; `recall_runs.py` beside this file does all of them."""

from __future__ import annotations

from itertools import islice

import pytest
from recall import fixtures
from recall_runs import MOST, measure, mutants, operator_of, rows, rules

# One that asks the first step alone, and one that asks the graph.
CHEAP = ("target-out-of-range", "cross-batch")


def _by_name() -> dict[str, object]:
    return {rule.page.name: rule for rule in rules()}


@pytest.mark.parametrize("name", sorted(_by_name()))
def test_the_bug_of_each_rule_that_a_run_shows_more_to_can_be_planted(name: str) -> None:
    operator = operator_of(name)
    assert operator is not None
    made = list(islice(mutants(operator), MOST))
    sound = {script.text for script in fixtures()}
    assert made
    assert not [mutant for mutant in made if mutant.text in sound]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_a_planted_bug_is_seen(name: str) -> None:
    pytest.importorskip("torch")
    (rule,) = (rule for rule in rules() if rule.page.name == name)
    operator = operator_of(name)
    assert operator is not None
    result = measure(rule, operator, 1, 120.0)
    assert (result.mutants, result.missed, result.misplaced) == (1, [], [])
    origin = next(mutants(operator)).origin
    (sound,) = (script.text for script in fixtures() if script.origin == origin)
    assert rows([rule], sound, 120.0) == set()
