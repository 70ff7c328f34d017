"""nnlint survives what an editor holds while somebody types; `fuzz.py` beside this file tries many more."""

from __future__ import annotations

import pytest
from fuzz import complaints, programs, seeds
from support import every_rule

LINTER = every_rule()
# Importing the rules is no part of the time that a program takes.
tuple(LINTER.rules)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_random_changes_to_training_code_make_nothing_fail(seed: int) -> None:
    for text in programs(seeds(), seed, 100):
        assert complaints(LINTER, text) == [], text
