"""`nnlint decompose`: the arithmetic, and the logs it reads."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support import ran

from nnlint.cli import cli
from nnlint.decompose import NEXT, DecomposeError, Figures, from_log, largest, parts
from nnlint.registry import find, pages

ERRORS = st.floats(0, 100)


@given(ERRORS, ERRORS, ERRORS, ERRORS, ERRORS)
def test_target_and_parts_add_up_to_the_test_error(
    target: float, train: float, train_val: float, val: float, test: float
) -> None:
    found = parts(Figures(target, train, val, test, train_val))
    assert target + sum(part.size for part in found) == pytest.approx(test, abs=1e-9)
    assert all(part.name in NEXT and part.meaning for part in found)


@pytest.mark.parametrize(
    ("figures", "worst"),
    [
        # The lecture's example: pedestrians, goal 1 %.
        (Figures(0.01, 0.20, 0.27, 0.28), "avoidable bias"),
        (Figures(0.01, 0.02, 0.12, 0.13), "variance"),
        (Figures(0.01, 0.02, 0.12, 0.13, train_val=0.03), "distribution shift"),
        (Figures(0.01, 0.02, 0.04, 0.20), "validation overfitting"),
        (Figures(0.05, 0.04, 0.04), None),
    ],
)
def test_the_largest_part(figures: Figures, worst: str | None) -> None:
    found = largest(parts(figures))
    assert (found.name if found else None) == worst


LOGS = {
    "metrics.csv": (
        "epoch,step,train_loss_epoch,val_loss\n0,9,,0.9\n0,9,1.0,\n1,19,,0.5\n1,19,0.4,\n"
        "2,29,,0.7\n2,29,0.1,\n"
    ),
    "keras.json": '{"loss": [1.0, 0.4, 0.1], "val_loss": [0.9, 0.5, 0.7]}',
    "log.jsonl": (
        '{"epoch": 0, "train/loss": 1.0, "valid/loss": 0.9}\n'
        '{"epoch": 1, "train/loss": 0.4, "valid/loss": 0.5}\n'
    ),
    "trainer_state.json": json.dumps(
        {
            "log_history": [
                {"epoch": 1.0, "loss": 1.0},
                {"epoch": 1.0, "eval_loss": 0.9},
                {"epoch": 2.0, "loss": 0.4},
                {"epoch": 2.0, "eval_loss": 0.5},
            ]
        }
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_gives_the_figures_of_its_best_epoch(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(LOGS[name])
    assert from_log(path, higher_is_better=False) == {"train": 0.4, "val": 0.5}


def test_scores_and_a_test_figure_of_its_own_row(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("epoch,train_acc,val_acc,test_acc\n1,80,70,\n2,90,75,\n3,95,74,\n,,,73\n")
    assert from_log(path, higher_is_better=True) == {"train": 90, "val": 75, "test": 73}
    with pytest.raises(DecomposeError, match="no loss or error"):
        from_log(path, higher_is_better=False)


def test_the_command(tmp_path: Path) -> None:
    options = ("--target", "99", "--train", "80", "--val", "73", "--higher-is-better")
    done = ran("decompose", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"> avoidable bias" in done.stdout
    assert b"1. make the model bigger" in done.stdout
    report = json.loads(ran("decompose", *options, "--output-format", "json", cwd=tmp_path).stdout)
    assert report["parts"] == {"avoidable bias": 19.0, "variance": 7.0}
    assert report["largest"] == "avoidable bias"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--target", "0", "--train", "1"), b"give --val"),
        (("--target", "0", "--train", "nan", "--val", "1"), b"train figure is nan"),
        (("--target", "0", "nowhere.csv"), b"nowhere.csv: No such file"),
        (("--target", "0", "log.json"), b"log.json: not JSON"),
        (("--train", "1", "--val", "1"), b"--target"),
    ],
)
def test_wrong_requests_are_one_line(arguments: tuple[str, ...], why: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text("{")
    done = ran("decompose", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert why in done.stderr
    assert b"Traceback" not in done.stderr


PAGE = find(pages(), "NNL908")
SESSIONS = re.findall(r"```console\n\$ nnlint (.*)\n((?:.*\n)*?)```", PAGE.body)


@pytest.mark.parametrize(("command", "shown"), SESSIONS, ids=[command for command, _ in SESSIONS])
def test_the_page_shows_what_the_command_prints(command: str, shown: str) -> None:
    done = CliRunner().invoke(cli, shlex.split(command))
    assert (done.exit_code, done.output) == (0, shown)


def test_the_page_is_about_every_part() -> None:
    assert len(SESSIONS) >= 3
    assert all(f"| {name} |" in PAGE.body for name in NEXT)
