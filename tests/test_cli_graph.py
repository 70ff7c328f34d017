"""`nnlint graph` from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import nnlint, ran

pytest.importorskip("torch")

SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
data = TensorDataset(torch.randn(64, 6), torch.randint(0, 2, (64,)))
for features, labels in DataLoader(data, batch_size=16):
    logits = net(features - features.mean(0))
    loss = nn.functional.cross_entropy(logits, labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
"""


def graph(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = ran("graph", *arguments, cwd=cwd)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_step_is_a_table_with_the_batch_axis_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    status, out, err = graph("train.py", cwd=tmp_path)
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["0", "features", "[N,", "6]", "train.py:9"] in rows
    assert ["labels", "[N]"] in [row[1:3] for row in rows]
    assert any(row[1:2] == ["addmm"] and "prediction" in row for row in rows)
    assert "N is the batch axis, 7 samples" in out or "N is the batch axis, 11 samples" in out
    assert "samples reach one another before a prediction" in out
    assert "mean  train.py:10" in out


def test_the_picture_is_one_that_graphviz_reads(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    status, out, err = graph("--dot", "step.dot", "train.py", cwd=tmp_path)
    assert (status, out, err) == (0, "", "")
    text = (tmp_path / "step.dot").read_text()
    assert text.startswith("digraph step {")
    assert text.count("prediction") == 1
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    status, _, err = graph("--svg", "step.svg", "train.py", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert "<svg" in (tmp_path / "step.svg").read_text()


def test_without_graphviz_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = nnlint("graph", "--svg", "x.svg", "train.py", cwd=tmp_path, env={"PATH": ""})
    assert done.returncode == 2
    assert done.stderr.decode().startswith("nnlint: --svg needs Graphviz")


def test_a_script_that_never_trains_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('hello')\n")
    status, out, err = graph("train.py", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == (
        "nnlint: train.py: first training step: the script ended before its first training step"
    )


def test_a_model_without_a_script(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\nclass Net(nn.Linear):\n    pass\n")
    status, out, err = graph("--trace-only", "net.py:Net(8, 2)", "--shape", "N,8", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert "[N, 2] prediction" in out
    status, out, err = graph("--trace-only", "net.py:Net(8, 2)", "--shape", "N,9", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("nnlint: net.py:Net(8, 2): trace: ")
    done = ran("run", "--trace-only", "net.py:Net(8, 2)", "--shape", "N,8", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
