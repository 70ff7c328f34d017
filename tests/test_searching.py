"""`--capacity`: what is varied, when the search is over, and what it says."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from support import ran

from nnlint.capture.constants import replaced
from nnlint.capture.plan import Request
from nnlint.capture.supervise import Capture
from nnlint.experiments.capacity import EPOCHS, UPDATES, Memory, Search, Tried, given_up
from nnlint.rule import Outcome, Sighting, Skip
from nnlint.rules.overfit_training_set import OverfitTrainingSet
from nnlint.searching import Capacities, CapacityError, capacities, search

STILL = (0.3,) * EPOCHS


def _tried(value: str, *shares: float, why: str = "") -> Tried:
    """A capacity that came so far; of fewer epochs than `STILL` it has not had its chance."""
    return Tried(value, 100 * int(value), Memory(shares, UPDATES, 64, why, None), why)


def _said(*tried: Tried) -> Sighting | Skip | Outcome:
    (said,) = OverfitTrainingSet().check_runs(Capture(search=Search("hidden", None, tried)))
    return said


def test_what_is_varied_and_its_values_the_smallest_first() -> None:
    assert capacities("hidden=32,8, 16,8") == Capacities("hidden", ("8", "16", "32"))
    assert capacities("--n-hidden=8") == Capacities("n-hidden", ("8",))
    assert capacities("arch=tiny,large").values == ("tiny", "large")
    for wrong in ("hidden", "=8", "hidden=", "hid den=8"):
        with pytest.raises(CapacityError, match="takes NAME=VALUE"):
            capacities(wrong)


def test_a_constant_has_another_value_on_the_same_line() -> None:
    text = "if True:\n    A: int = (\n        8)\ndef f():\n    A = 1\n    return A\nWIDE = 2 * A\n"
    tree = replaced(ast.parse(text), (("A", "32"),))
    names: dict[str, object] = {}
    exec(compile(tree, "train.py", "exec"), names)
    assert (names["A"], names["WIDE"]) == (32, 64)
    assert names["f"]() == 1  # type: ignore[operator]
    assert [node.lineno for node in tree.body] == [node.lineno for node in ast.parse(text).body]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("WIDTH = 3\n", "assigns no HIDDEN at module level"),
        ("HIDDEN = 3\nHIDDEN = 4\n", "assigns HIDDEN on lines 1, 2"),
        ("class Net:\n    HIDDEN = 3\n", "assigns no HIDDEN at module level"),
    ],
)
def test_a_constant_that_is_none_is_one_line_and_nothing_runs(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(text)
    with pytest.raises(CapacityError, match=why):
        search(Request(str(tmp_path / "train.py")), Capacities("HIDDEN", ("8",)))


def test_larger_ones_are_given_up_when_two_of_them_gain_nothing() -> None:
    small, more, most = _tried("1", *STILL), _tried("2", *STILL), _tried("3", *STILL)
    assert given_up([small, more]) is None
    assert given_up([small, more, most]) is small
    assert given_up([small, more, _tried("3", *(0.32,) * EPOCHS)]) is None
    # One that was still rising when its time was over may yet gain.
    assert given_up([small, more, _tried("3", 0.1, 0.2)]) is None
    assert given_up([small, more, _tried("3", 0.99)]) is None


def test_the_smallest_that_overfits_is_a_result_and_no_finding() -> None:
    said = _said(_tried("8", *STILL), _tried("16", 0.5, 0.975))
    assert isinstance(said, Outcome)
    assert "hidden=16 with 1600 parameters: 97.5% after 2 epochs" in said.text
    assert "hidden=8 with 800 parameters: 30.0%" in said.text
    assert said.evidence["smallest"] == "16"


def test_only_if_none_overfits_there_is_a_finding() -> None:
    said = _said(_tried("8", *STILL), _tried("16", *(0.6,) * EPOCHS))
    assert isinstance(said, Sighting)
    assert "hidden=8, 16 overfits" in said.message
    assert "60.0% after 30 epochs" in said.message
    assert "try larger ones" in said.message
    said = _said(*(_tried(value, *STILL) for value in ("8", "16", "32")))
    assert isinstance(said, Sighting)
    assert "more than hidden=8 gains less" in said.message


def test_what_cannot_be_told_is_skipped_with_the_reason() -> None:
    for tried, why in (
        ((_tried("8", 0.1, 0.4), _tried("16", *STILL)), "hidden=8 .* still rising"),
        ((_tried("8"), _tried("16")), "before a first epoch"),
        ((_tried("8", why="it is a penalty"),), "how low this loss can get: it is a penalty"),
    ):
        said = _said(*tried)
        assert isinstance(said, Skip)
        assert re.search(why, said.why), said.why
    assert list(OverfitTrainingSet().check_runs(Capture())) == []


SCRIPT = """
import argparse
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
parser = argparse.ArgumentParser()
parser.add_argument("--hidden", type=int, default=4)
hidden = parser.parse_args().hidden
torch.manual_seed(0)
x = torch.randn(64, 4)
y = (x[:, 0] * x[:, 1] > 0).long()
loader = DataLoader(TensorDataset(x, y), 16, shuffle=True)
net = nn.Sequential(nn.Linear(4, hidden), nn.Dropout(0.9), nn.ReLU(), nn.Linear(hidden, 2))
optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
for epoch in range(2):
    for a, b in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(a), b).backward()
        optimizer.step()
    print("validating")
"""


@pytest.mark.slow
def test_an_option_is_varied_and_the_smallest_capacity_found(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    arguments = ("--budget", "300", "--select", "NNL905", "--output-format", "json", "train.py")
    done = ran("run", "--capacity", "hidden=1,64", *arguments, cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (report["findings"], report["not_run"]) == ([], []), done.stderr
    (result,) = report["results"]
    # Beyond the script's own two epochs, and without its dropout.
    assert result["evidence"]["smallest"] == "64"
    assert result["evidence"]["tried"][-1]["epochs"] > 2
    assert result["evidence"]["tried"][-1]["samples"] == 64


@pytest.mark.slow
def test_an_option_that_the_script_does_not_have_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = ran("run", "--capacity", "width=1,64", "train.py", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = [line for line in done.stdout.decode().splitlines() if line.startswith("not run")]
    assert "the script does not take --width" in line
