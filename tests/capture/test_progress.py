"""What is said while a script runs: on a terminal how far each continuation is, in a log nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from scripts import HEAD, NO_LOADER

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Progress, capture
from nnlint.cli_target import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_continuation_step_and_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with bar(20.0) as show:
        assert show is not None
        show(Progress("ten samples", 3, 0.51234))
        show(Progress("ten samples", 17, 0.25))
    assert "running to the first training step (at most 20 s)" in terminal.getvalue()
    assert "ten samples: step 17, loss 0.25" in terminal.getvalue()


def test_a_log_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(20.0) as show:
        assert show is None
    assert capsys.readouterr() == ("", "")


def test_progress_is_heard_and_the_output_is_shown_on_request(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slow = NO_LOADER + "    print(f'after {step}'); time.sleep(0.1)\n"
    script = tmp_path / "train.py"
    script.write_text(
        f"import os, time\nprint('DEVICES', repr(os.environ['CUDA_VISIBLE_DEVICES']))\n{HEAD}{slow}"
    )
    heard: list[Progress] = []
    wanted = [Continuation("as it is", "none", 15, 30)]
    seen = capture(Request(str(script), verbose=True, cpu=True), wanted, heard.append)
    assert seen.not_run == []
    assert {entry.name for entry in heard} == {"as it is"}
    steps = [entry.steps for entry in heard]
    assert steps == sorted(set(steps))
    losses = [step.loss for step in seen.trajectories["as it is"].steps]
    assert [entry.loss for entry in heard] == pytest.approx([losses[step - 1] for step in steps], rel=1e-4)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "DEVICES ''" in shown.err
    assert "after 7" in shown.err
