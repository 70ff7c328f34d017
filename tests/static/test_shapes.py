"""The shapes of tensors: data frames, arrays, lists, samples, layers, and what moves their axes."""

from __future__ import annotations

import pytest
from reading import model_of, value_named

HEAD = """
import random
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from collections import deque
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets, transforms
frame = pd.read_csv("x.csv")
x = torch.randn(100, 3)
"""


def layout(text: str, name: str = "t") -> str | None:
    script = model_of(HEAD + text)
    shape = script.shapes.of(value_named(script, name))
    return None if shape is None else script.shapes.layout(shape)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t = torch.tensor([1.0, 2.0, 3.0])", "(3)"),
        ("t = torch.FloatTensor([[1, 2], [3, 4], [5, 6]])", "(3, 2)"),
        ("t = torch.Tensor(4, 5)", "(4, 5)"),
        ("t = torch.randint(0, 2, (7,))", "(7)"),
        ("t = torch.tensor(np.zeros((4, 2)))", "(4, 2)"),
        ("t = np.random.rand(5, 2)[:, 0]", "(5)"),
        ("t = x[:, 0:1].squeeze(1)", "(100)"),
        ("t = x[:, None, 0]", "(100, 1)"),
        ("t = x.sum(dim=1, keepdim=True)", "(100, 1)"),
        ("t = x.max(1)[0]", "(100)"),
        ("t = x.gather(1, torch.zeros(100, 1).long())", "(100, 1)"),
        ("t = x.mean()", "()"),
        ("t = x.norm(2)", "()"),
        ("t = x[10:, -2:]", "(90, 2)"),
        ("t = nn.Linear(3, 1)(x).squeeze()", "(100)"),
        ("t = torch.cat([x, torch.zeros(100, 5)], dim=1)", "(100, 8)"),
        ("t = torch.stack([x, x], dim=1)", "(100, 2, 3)"),
        ("t = F.max_pool2d(torch.randn(8, 3, 28, 28), 2)", "(8, 3, 14, 14)"),
        ("t = nn.Flatten()(nn.Conv2d(3, 6, 5)(torch.randn(8, 3, 32, 32)))", "(8, 6 * 28 * 28)"),
        ("t = nn.LSTM(3, 16, batch_first=True)(torch.randn(8, 20, 3))[0][:, -1]", "(8, 16)"),
    ],
)
def test_tensors_have_the_shape_that_torch_gives_them(text: str, expected: str | None) -> None:
    assert layout(text) == expected


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ('t = torch.tensor(frame["y"].values)', 1),
        ('t = torch.tensor(frame[["y"]].values)', 2),
        ('t = torch.tensor(frame.drop("y", axis=1).values)', 2),
        ("t = torch.tensor(frame.iloc[:, -1].to_numpy())", 1),
        ("t = torch.tensor(frame.iloc[:, :-1].to_numpy())", 2),
        ('t = torch.tensor(frame["y"].values.reshape(-1, 1))', 2),
        ('a, b, t, d = train_test_split(frame[["x"]].values, frame["y"].values)', 1),
        ("a, t = load_diabetes(return_X_y=True)", 1),
        ("t = torch.tensor([random.randrange(2) for _ in range(9)])", 1),
        ("t = frame[column]", None),
        ('t = frame["y"].reset_index()', None),
        ("t = torch.tensor(load())", None),
    ],
)
def test_columns_of_data_have_their_rank(text: str, rank: int | None) -> None:
    script = model_of(HEAD + text)
    assert script.shapes.rank(value_named(script, "t")) == rank


SAMPLES = """
class Rows(Dataset):
    def __init__(self, table, labels):
        self.table, self.labels = table, labels
    def __len__(self):
        return len(self.labels)
    def __getitem__(self, index):
        return self.table[index], {label}
"""


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        ("DataLoader(TensorDataset(x, x[:, 0]), batch_size=8)", "(…)"),
        ("DataLoader(TensorDataset(x, x[:, :1]), batch_size=8)", "(…, 1)"),
        ("DataLoader(TensorDataset(x, x[:, 0]))", "(1)"),
        ("DataLoader(TensorDataset(x, x[:, 0]), batch_size=None)", None),
        ("DataLoader(TensorDataset(x, x[:, 0]), batch_size=8, collate_fn=pad)", None),
        ("DataLoader(Rows(x, x[:, 0]), batch_size=8)", "(…)"),
        ('DataLoader(datasets.MNIST("d", transform=transforms.ToTensor()), batch_size=8)', "(…)"),
    ],
)
def test_a_batch_has_the_samples_behind_one_axis_more(loader: str, expected: str | None) -> None:
    text = SAMPLES.format(label="self.labels[index]") + f"for a, t in {loader}:\n    loss = t\n"
    assert layout(text, "loss") == expected


def test_images_have_the_size_that_their_transform_leaves() -> None:
    steps = "transforms.Compose([transforms.Resize(16), transforms.ToTensor()])"
    text = f'for t, y in DataLoader(datasets.CIFAR10("d", transform={steps}), batch_size=8):\n    loss = t\n'
    assert layout(text, "loss") == "(…, 3, 16, 16)"
    assert layout(text.replace("Resize(16)", "Lambda(f)"), "loss") is None


def test_numbers_that_a_loop_changes_are_told_apart() -> None:
    text = """
width = 8
layers = []
for _ in range(3):
    layers.append(nn.Linear(width, width * 2))
    width *= 2
head = nn.Linear(width, 1)
t = width
"""
    script = model_of(HEAD + text)
    axis = script.shapes.amount(value_named(script, "t"))
    assert set(axis) & script.shapes.varying


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t = np.random.default_rng(1).normal(0, 1, 6)", "(6)"),
        ("t = np.random.default_rng(1).standard_normal((6, 2))", "(6, 2)"),
        ("t = np.random.RandomState(1).randn(6, 2)", "(6, 2)"),
        ("t = np.random.default_rng(1).normal(0, 1)", None),
        ("t = frame.uniform(0, 1, 6)", None),
    ],
)
def test_what_a_generator_of_numpy_draws(text: str, expected: str | None) -> None:
    assert layout(text) == expected


@pytest.mark.parametrize(("step", "leads"), [("layer(h)", True), ("layer(h).transpose(0, 1)", False)])
def test_a_loop_over_layers_keeps_the_samples_in_front(step: str, leads: bool) -> None:
    text = f"""
layers = [nn.Linear(3, 3) for _ in range(4)]
for h, y in DataLoader(TensorDataset(x, x), batch_size=8):
    for layer in layers:
        h = {step}
    t = h
"""
    script = model_of(HEAD + text)
    assert script.shapes.batch_leads(value_named(script, "t")) is leads
