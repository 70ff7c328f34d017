"""What a run on another machine is told: a machine that differs says so, and runs nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnlint.capture.plan import Request, from_json, to_json
from nnlint.executors.task import Task, answered, perform, task


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": "0.0.1"}, "not 0.0.1"),
        ({"folder": "/nowhere/at/all"}, "has no folder /nowhere/at/all: the machines must share"),
        ({"digest": "of another text"}, "has not the same train.py in "),
    ],
)
def test_a_machine_that_differs_says_how(
    change: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("raise AssertionError('this is never run')\n", encoding="utf-8")
    wanted = replace(from_json(Task, task(Request("train.py"), (), 1)), **change)  # type: ignore[arg-type]
    seen = answered(perform(to_json(wanted)))
    (entry,) = seen.not_run
    assert why in entry.why
    assert (seen.output, Path.cwd()) == ("", tmp_path)
