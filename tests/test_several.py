"""What is asked of several processes together, and what is not."""

from __future__ import annotations

from support import every_rule

from nnlint.experiments.health import HEALTH
from nnlint.experiments.overfit import TEN
from nnlint.failures import describe
from nnlint.several import sensible, together


def test_whatever_is_not_done_says_why() -> None:
    rules = [rule for rule in every_rule().rules if {"E", "G"}.intersection(rule.page.tiers)]
    kept, skipped = together(rules, "train.py")
    told = {entry.what for entry in skipped}
    assert all("one process only" in entry.why for entry in skipped)
    assert {"graph of the first training step", "experiment later", "experiment arguments"} < told
    for rule in rules:
        if "E" in rule.page.tiers:
            assert (rule in kept) != (describe(rule) in told)
            # Of what is kept, everything is run, or named by itself.
            for entry in rule.continuations if rule in kept else ():
                assert sensible(entry) or {f"experiment {name}" for name in entry.meters} < told


def test_same_batch_first_loss_and_health_are_measured_by_all_ranks() -> None:
    kept, _ = together(list(every_rule().rules), "train.py")
    codes = {rule.page.code for rule in kept}
    assert {"NNL208", "NNL316", "NNL414", "NNL801", "NNL902", "NNL903"} < codes
    assert sensible(HEALTH)
    assert sensible(TEN)
