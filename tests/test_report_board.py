"""What `--tensorboard` writes, read back as TensorBoard reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from looking import CHANCE, UPDATES, capture

from nnlint.capture.supervise import Capture
from nnlint.report import board

HOSTILE = "../../<script>/\x00" + "A" * 10_000


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run."""
    return board.write(capture(), tmp_path_factory.mktemp("board"))


def _read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    events.Reload()
    return events


@pytest.mark.slow
def test_all_of_it_is_read_back(written: Path) -> None:
    assert written.name == "run-1"
    assert {folder.name for folder in written.iterdir()} == {
        "chance",
        "first batch, regularisation off",
        "ramp",
        "real",
        "ten samples",
        "ten samples, zeroed",
        "train",
    }
    real = _read(written / "real")
    losses = real.Scalars("loss")
    assert [event.step for event in losses] == list(range(UPDATES))
    assert losses[0].value == pytest.approx(CHANCE)
    assert [event.value for event in _read(written / "chance").Scalars("loss")] == pytest.approx([CHANCE] * 2)
    assert {"gradient norm/first.weight", "update ratio/train.weight", "dead units/train"} <= set(
        real.Tags()["scalars"]
    )
    ratios = real.Scalars("update ratio/first.weight")
    assert [(event.step, event.value) for event in ratios][:2] == [
        (0, pytest.approx(0.1)),
        (1, pytest.approx(0.05)),
    ]
    before, after = real.Histograms("activations/first")
    assert (before.step, after.step) == (0, 5)
    spread = before.histogram_value
    assert (spread.min, spread.max, spread.num) == (-1.0, 1.0, 19)
    assert list(spread.bucket) == [1, 4, 9, 4, 1]
    assert list(spread.bucket_limit) == pytest.approx([-0.6, -0.2, 0.2, 0.6, 1.0])
    (image,) = real.Images("batch[0]")
    assert image.encoded_image_string.startswith(b"\x89PNG")
    nodes = {node.name: node for node in real.Graph().node}
    assert list(nodes["train/train/view_1"].input) == ["batch[0]_0"]
    assert list(nodes["mean_2"].input) == ["train/train/view_1"]
    shape = nodes["train/train/view_1"].attr["_output_shapes"].list.shape[0]
    assert [axis.size for axis in shape.dim] == [28, 8]
    assert nodes["mean_2"].attr["line"].s == b"train.py:8"


def test_names_of_runs_are_names_of_folders() -> None:
    for run in board.runs(capture(HOSTILE)):
        assert "/" not in run.name
        assert len(run.name) < 100
        tags = [
            *(entry.tag for entry in run.scalars),
            *(entry.tag for entry in run.spreads),
            *(entry.tag for entry in run.images),
        ]
        assert all(len(tag) <= 200 for tag in tags)
        for operation in run.graph:
            assert len(operation.name) < 300


def test_each_run_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    names = [board.write(Capture(), tmp_path / "new").name for _ in range(3)]
    assert names == ["run-1", "run-2", "run-3"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(board.BoardError, match="file/run-1: Not a directory"):
        board.write(Capture(), tmp_path / "file")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(board.BoardError, match="--tensorboard: ended with 1"):
        board.write(Capture(), tmp_path / "folder")
