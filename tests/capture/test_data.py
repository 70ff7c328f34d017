"""What the data meter sees of data sets and loaders, and what the rules make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.capture.plan import Request
from nnlint.capture.supervise import capture
from nnlint.experiments.data import DATA, Data
from nnlint.rule import Rule, Sighting
from nnlint.rules.leaky_split import LeakySplit
from nnlint.rules.mutating_dataset import MutatingDataset
from nnlint.rules.unnormalised_input import UnnormalisedInput
from nnlint.rules.unshuffled_training import UnshuffledTraining
from nnlint.rules.worker_randomness import WorkerRandomness

RULES = (LeakySplit, MutatingDataset, UnnormalisedInput, UnshuffledTraining, WorkerRandomness)

SCRIPT = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, SubsetRandomSampler, TensorDataset, random_split

torch.manual_seed(0)
x = torch.randn(200, 6)
y = torch.randint(0, 2, (200,))
workers = 0
{data}
model = nn.Linear(6, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for inputs, targets in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs), targets).backward()
    optimizer.step()
"""
CLASS = """
class Rows(Dataset):
    def __init__(self):
        self.x, self.y = x.clone(), y
        self.seen = np.zeros(len(x))
        self.kept = [None] * len(x)
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        row = self.x[i]
        {body}
        return row, int(self.y[i])

{loader}
"""
PLAIN = "loader = DataLoader(Rows(), batch_size=20, shuffle=True, num_workers={workers})"


def _rows(body: str, loader: str = PLAIN.format(workers=0)) -> str:
    return CLASS.format(body=body, loader=loader)


def _see(folder: Path, data: str) -> tuple[Data, dict[str, list[int]]]:
    script = folder / "train.py"
    script.write_text(SCRIPT.format(data=data))
    seen = capture(Request(str(script), seconds=200), (DATA,))
    assert seen.not_run == [], seen.output
    found = seen.trajectories["first"].measure(Data)
    assert found is not None
    rules: list[Rule] = [rule() for rule in RULES]
    rows = {
        rule.page.name: [one.place.row for one in sightings if isinstance(one, Sighting) and one.place]
        for rule in rules
        if (sightings := list(rule.check_runs(seen)))
    }
    return found, rows


def _row(data: str, part: str) -> int:
    lines = SCRIPT.format(data=data).splitlines()
    return next(number for number, line in enumerate(lines, 1) if part in line)


def test_a_stored_row_that_each_reading_changes_is_found_at_its_line(tmp_path: Path) -> None:
    data = _rows("row *= 0.5")
    found, rows = _see(tmp_path, data)
    assert rows == {"mutating-dataset": [_row(data, "row *= 0.5")]}
    assert found.mutation is not None
    assert found.mutation.attribute == "self.x"


@pytest.mark.parametrize(
    "body",
    [
        "row = row + 0.1 * torch.randn(6)",
        "self.seen[i] += 1",
        "self.kept[i] = self.kept[i] if self.kept[i] is not None else row * 2",
        "row.clamp_(-1, 1)",
        "row = row + torch.from_numpy(self.rng.normal(size=6)).float()",
    ],
    ids=["augmentation", "counter", "cache", "idempotent", "own generator, one process"],
)
def test_random_or_remembered_is_not_mutated(tmp_path: Path, body: str) -> None:
    _, rows = _see(tmp_path, _rows(body))
    assert rows == {}


@pytest.mark.parametrize(
    ("body", "extra", "found"),
    [
        ("row = row + torch.from_numpy(self.rng.normal(size=6)).float()", "", True),
        ("row = row + torch.from_numpy(np.random.normal(size=6)).float()", "", False),
        ("row = row + torch.randn(6)", "", False),
        (
            "row = row + torch.from_numpy(self.rng.normal(size=6)).float()",
            ", worker_init_fn=lambda n: setattr(torch.utils.data.get_worker_info().dataset, 'rng', "
            "np.random.default_rng(n))",
            False,
        ),
    ],
    ids=["own generator", "NumPy's", "torch's", "own generator, made in the worker"],
)
def test_the_stream_of_two_workers(tmp_path: Path, body: str, extra: str, found: bool) -> None:
    loader = PLAIN.format(workers=2)[:-1] + extra + ")"
    data, rows = _see(tmp_path, _rows(body, loader))
    assert (data.stream is not None) == found
    assert set(rows) == ({"worker-randomness"} if found else set())


SPLITS = {
    "two draws": (
        "a = random_split(TensorDataset(x, y), [150, 50])[0]\n"
        "b = random_split(TensorDataset(x, y), [150, 50])[1]\n"
        "loader = DataLoader(a, batch_size=20, shuffle=True)\n"
        "val_loader = DataLoader(b, batch_size=20)",
        True,
    ),
    "samplers over one set": (
        "ds = TensorDataset(x, y)\n"
        "loader = DataLoader(ds, batch_size=20, sampler=SubsetRandomSampler(range(150)))\n"
        "val_loader = DataLoader(ds, batch_size=20, sampler=SubsetRandomSampler(range(150, 200)))",
        False,
    ),
    "samplers that meet": (
        "ds = TensorDataset(x, y)\n"
        "loader = DataLoader(ds, batch_size=20, sampler=SubsetRandomSampler(range(150)))\n"
        "val_loader = DataLoader(ds, batch_size=20, sampler=SubsetRandomSampler(range(100, 200)))",
        True,
    ),
    "copied rows": (
        "loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)\n"
        "loaders = {'test': DataLoader(TensorDataset(x[150:].clone(), y[150:].clone()), batch_size=20)}",
        True,
    ),
    "other rows": (
        "loader = DataLoader(TensorDataset(x[:150], y[:150]), batch_size=20, shuffle=True)\n"
        "test_loader = DataLoader(TensorDataset(x[150:], y[150:]), batch_size=20)",
        False,
    ),
    "rows that often repeat": (
        "x = (x > 0).float()\n"
        "loader = DataLoader(TensorDataset(x[:150], y[:150]), batch_size=20, shuffle=True)\n"
        "test_loader = DataLoader(TensorDataset(x[150:], y[150:]), batch_size=20)",
        False,
    ),
    "figures on the training data": (
        "ds = TensorDataset(x, y)\n"
        "loader = DataLoader(ds, batch_size=20, shuffle=True)\n"
        "train_eval_loader = DataLoader(ds, batch_size=20)",
        False,
    ),
}


@pytest.mark.parametrize("name", SPLITS)
def test_samples_on_both_sides(tmp_path: Path, name: str) -> None:
    data, leaks = SPLITS[name]
    _, rows = _see(tmp_path, data)
    line = max(SCRIPT.format(data=data).splitlines().index(part) + 1 for part in data.splitlines())
    assert rows == ({"leaky-split": [line]} if leaks else {})


@pytest.mark.parametrize(
    ("labels", "arguments", "found"),
    [("y.sort()[0]", "", True), ("y", "", False), ("y.sort()[0]", ", shuffle=True", False)],
    ids=["sorted", "in random order", "shuffled"],
)
def test_labels_in_the_order_of_the_loader(tmp_path: Path, labels: str, arguments: str, found: bool) -> None:
    data = f"loader = DataLoader(TensorDataset(x, {labels}), batch_size=20{arguments})"
    _, rows = _see(tmp_path, data)
    assert rows == ({"unshuffled-training": [_row(data, "DataLoader(Tensor")]} if found else {})
