"""Bugs planted in sound scripts are found; `recall.py` beside this file plants and counts all of them."""

from __future__ import annotations

import pytest
from planted import Script
from recall import Operator, measure, operators

from nnlint.page import load_pages

OPERATORS = operators()
# Of all rules at least half of the first mutants are found.


def test_each_static_rule_has_its_bug_planted() -> None:
    assert set(OPERATORS) == {page.name for page in load_pages() if "S" in page.tiers}


def _cases() -> list[object]:
    return [
        pytest.param(
            name,
            operator,
            id=name,
            marks=[pytest.mark.xfail(strict=True)] if getattr(operator, "BLIND", False) else [],
        )
        for name, operator in OPERATORS.items()
    ]


@pytest.mark.parametrize(("name", "operator"), _cases())
def test_a_planted_bug_is_found(name: str, operator: Operator) -> None:
    result = measure(name, operator, most=4, each=1)
    assert result.mutants
    most = result.mutants // 2
    assert len(result.missed) <= most, result.missed[0].text


def test_an_edit_keeps_the_rest_of_the_text_in_its_place() -> None:
    script = Script("for x in loader:\n    é = f(x)\n    opt.step()\nprint(1)\n")
    (step,) = script.find("_o.step()")
    dropped = script.mutant(script.drop(script.statement(step.node)), at=[script.tree.body[1]])
    assert dropped.text == "for x in loader:\n    é = f(x)\nprint(1)\n"
    assert dropped.rows == {3}
    (call,) = script.find("_f(x)")
    changed = script.mutant(script.replace(call.node, script.filled("_f(x, 2)", call)))
    assert changed.text.splitlines()[1] == "    é = f(x, 2)"
    assert changed.rows == {2}


def test_a_pattern_binds_names_and_the_arguments_that_are_left() -> None:
    script = Script("y = F.softmax(scores, dim=1)\ny = F.softmax(scores / 2, 0)\n")
    first, second = script.find("_f.softmax(_x, ...)")
    assert script.filled("_f.log_softmax(_x, ...)", first) == "F.log_softmax(scores, dim=1)"
    assert script.filled("_x.exp(...)", second) == "(scores / 2).exp(0)"
    assert [site.node.lineno for site in script.find("_f.softmax(_x, dim=1)")] == [1]
