"""Which findings tell only what follows from others, and that two bugs do not hide one another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support import every_rule

from nnlint.capture.plan import FirstStep, Loss, Place, Root
from nnlint.capture.supervise import Capture
from nnlint.explained import Neighbourhood, unexplained
from nnlint.finding import Finding, Severity, Span, Tier

RULES = every_rule().rules
NAMES = {rule.page.name: rule for rule in RULES}

SCRIPT = """
import torch

class Encoder(torch.nn.Module):
    def __init__(self):
        self.layer = torch.nn.Linear(3, 3)

class Head(torch.nn.Module):
    def __init__(self):
        self.layer = torch.nn.Linear(3, 3)

class Unused(torch.nn.Module):
    def __init__(self):
        self.layer = torch.nn.Linear(3, 3)

def pretrain(encoder):
    for batch in []:
        encoder(batch).sum().backward()

def train(head):
    for batch in []:
        head(batch).sum().backward()

def freeze(net):
    net.requires_grad_(False)

encoder, head = Encoder(), Head()
freeze(encoder)
pretrain(encoder)
train(head)
"""


def _row(part: str, after: str = "") -> int:
    lines = SCRIPT.splitlines()
    start = next(at for at, line in enumerate(lines) if after in line)
    return next(at for at, line in enumerate(lines, 1) if at > start and part in line)


ENCODER, HEAD = _row("self.layer", "class Encoder"), _row("self.layer", "class Head")
UNUSED, FROZEN = _row("self.layer", "class Unused"), _row("requires_grad_")
PRETRAIN, TRAIN = _row("encoder(batch)"), _row("head(batch)")


def _step(row: int, class_name: str) -> FirstStep:
    place = Place("train.py", row)
    root = Root(class_name, place, True, (), (), "", ())
    return FirstStep("loader", place, None, "", (root,), (), (Loss(1.0, (), place),), (), 0.1)


TWO = Capture(first_step=_step(PRETRAIN, "Encoder"), later_steps=[_step(TRAIN, "Head")])
ONE = Capture(first_step=_step(PRETRAIN, "Encoder"))


def _finding(name: str, row: int, tier: Tier = Tier.EXPERIMENT, **other: Any) -> Finding:
    page = NAMES[name].page
    span = Span.of(row, 1, row, 2)
    return Finding(page.code, name, "what", "train.py", span, Severity.ERROR, tier, "", **other)


def _left(seen: Capture, *findings: Finding) -> list[tuple[str, int]]:
    near = Neighbourhood(seen, findings, {"train.py": SCRIPT}).near
    return [(finding.name, finding.span.start.row) for finding in unexplained(findings, RULES, near).values()]


def test_in_one_loop_one_bug_is_told_once() -> None:
    cause = _finding("constant-init", ENCODER)
    assert _left(ONE, cause, _finding("dead-units", PRETRAIN)) == [("constant-init", ENCODER)]
    assert _left(TWO, cause, _finding("dead-units", PRETRAIN)) == [("constant-init", ENCODER)]


def test_a_bug_of_another_loop_and_its_model_hides_nothing() -> None:
    found = [_finding("constant-init", ENCODER), _finding("dead-units", TRAIN)]
    assert len(_left(TWO, *found)) == 2
    # Where the second loop was not seen, nobody knows that it is another.
    assert len(_left(ONE, *found)) == 1


def test_what_the_script_never_gets_to_explains_nothing() -> None:
    dead = _finding("dead-units", PRETRAIN)
    assert len(_left(ONE, _finding("constant-init", UNUSED, Tier.STATIC), dead)) == 2
    assert len(_left(ONE, _finding("constant-init", HEAD, Tier.STATIC), dead)) == 1


def test_what_is_called_on_the_way_explains_what_follows_in_every_loop() -> None:
    frozen = _finding("everything-frozen", FROZEN, Tier.STATIC)
    for row in (PRETRAIN, TRAIN):
        assert len(_left(TWO, frozen, _finding("constant-init", row))) == 1


def test_a_finding_may_name_what_follows_from_it() -> None:
    flipped = _finding("overfit-small-batch", PRETRAIN, explains=("nan-inf-origin",))
    nan = _finding("nan-inf-origin", PRETRAIN)
    assert _left(TWO, flipped, nan) == [("overfit-small-batch", PRETRAIN)]
    # By its page, NaN would explain that ten samples are not learnt.
    assert _left(TWO, replace(flipped, explains=()), nan) == [("nan-inf-origin", PRETRAIN)]
    assert len(_left(TWO, flipped, _finding("nan-inf-origin", TRAIN))) == 2


def test_one_that_stays_for_another_is_as_grave() -> None:
    near = Neighbourhood(ONE, (), {"train.py": SCRIPT}).near
    guess = replace(_finding("constant-init", ENCODER, Tier.STATIC), severity=Severity.WARNING)
    for severity, expected in ((Severity.ERROR, Severity.ERROR), (Severity.INFO, Severity.WARNING)):
        dead = replace(_finding("dead-units", PRETRAIN), severity=severity)
        assert unexplained([dead, guess], RULES, near) == {1: replace(guess, severity=expected)}
    # Of what the source shows nothing is hidden, so that nothing has to speak for it.
    read = _finding("dead-units", PRETRAIN, Tier.STATIC)
    assert unexplained([read, guess], RULES, near) == {1: guess}


def test_of_those_that_explain_each_other_one_stays() -> None:
    circle = ("dead-units", "dead-update", "vanishing-exploding-gradient")
    for first in range(3):
        names = [*circle[first:], *circle[:first]]
        assert _left(ONE, *(_finding(name, PRETRAIN) for name in names)) == [(names[0], PRETRAIN)]


def test_a_file_that_cannot_be_parsed_is_one_place() -> None:
    found = [_finding("constant-init", 1), _finding("dead-units", 2)]
    near = Neighbourhood(ONE, found, {"train.py": "%matplotlib inline"}).near
    assert near(*found)
