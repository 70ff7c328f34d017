"""Two runs say the same to the byte, but for times; and what is said of a script hangs on no seed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import CHECKOUT, nnlint

from nnlint.capture.plan import SEED, Request
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.finding import Severity

FIXTURES = CHECKOUT / "fixtures"
# A loader and a finding of a run, and a loop that has neither a loader nor an optimizer: both begin afresh.
RUN = ("fixtures/buggy/custom_activation_wrong_backward.py", "fixtures/clean/manual_update.py")
SEEDS = 5
SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed({seed})
x = torch.randn(256, 8)
y = (x @ torch.randn(8, 3)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model({inputs}), labels)
        loss.backward()
        optimizer.step()
"""


def _json(arguments: Sequence[str], folder: Path, hash_seed: str) -> bytes:
    command, *rest = arguments
    options = ("--output-format", "json")
    words = (command, *options, *rest) if command == "run" else (*options, *arguments)
    done = nnlint(*words, cwd=folder, env={"PYTHONHASHSEED": hash_seed})
    assert done.returncode in (0, 1), done.stdout.decode() + done.stderr.decode()
    assert b'"findings"' in done.stdout
    return re.sub(rb'"seconds": [\d.e-]+', b'"seconds": 0', done.stdout)


def test_linting_says_the_same_to_the_byte_whatever_the_hash_seed() -> None:
    paths = [str(path.relative_to(CHECKOUT)) for path in sorted(FIXTURES.glob("buggy/*.py"))]
    arguments = ["--isolated", "--no-cache", "--select", "ALL", *paths]
    said = {_json(arguments, CHECKOUT, seed) for seed in ("0", "271828")}
    assert len(said) == 1
    report = json.loads(said.pop())
    assert len(report["findings"]) > len(paths)
    assert report["summary"]["seed"] is None


@pytest.mark.slow
@pytest.mark.parametrize("script", RUN)
def test_running_says_the_same_to_the_byte_whatever_the_hash_seed(script: str) -> None:
    pytest.importorskip("torch")
    # Time enough for a busy machine: what finds no time is said, and is no verdict.
    arguments = ["run", "--isolated", "--budget", "600", script]
    first, second = (_json(arguments, CHECKOUT, seed) for seed in ("0", "1"))
    assert first == second
    assert json.loads(first)["summary"]["seed"] == SEED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "only", "expected"),
    [
        # What is judged by how a loop goes on, where chance is largest.
        ("inputs", ("baseline", "health", "rivals"), set()),
        ("inputs * 0", ("baseline",), {"input-independent-baseline"}),
    ],
)
def test_five_seeds_agree(inputs: str, only: Sequence[str], expected: set[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "train.py"
    linter = Linter.load(Config())
    for seed in range(SEEDS):
        path.write_text(SCRIPT.format(seed=seed, inputs=inputs), encoding="utf-8")
        report, _ = examine(linter, Request(str(path), seconds=600), only=only)
        assert report.not_run == ()
        told = {finding.name for finding in report.findings if finding.severity is not Severity.INFO}
        assert told == expected, seed
