"""The curves that `nnlint run` prints."""

from __future__ import annotations

import math

import pytest
from looking import capture, trajectory

from nnlint.capture.supervise import Capture
from nnlint.report.terminal import render, sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0.0, 1.0], "▁█"),
        ([1.0, 1.0], "██"),
        ([0.0, math.nan, 1.0, math.inf], "▁!█!"),
        ([float(at) / 96 for at in range(96)], "▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███"),
    ],
)
def test_a_sparkline_has_the_height_of_each_stretch(values: list[float], line: str) -> None:
    assert sparkline(values, 0.0, 1.0) == line


def test_a_flat_course_alone_is_at_the_bottom() -> None:
    assert sparkline([2.0, 2.0], 2.0, 2.0) == "▁▁"


def test_the_table_is_short_and_on_one_axis() -> None:
    text = render(capture(), color=False, width=80, layers=False)
    lines = text.rstrip().splitlines()
    assert len(lines) <= 9
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["updates", "first", "loss", "last", "loss", "curve"]
    rows = {line.split("  ")[0]: line for line in lines}
    assert rows["real"].split()[1:4] == ["60", "2.303", "0.1517"]
    # The zeroed one stays where the real one begins.
    assert rows["ten samples, zeroed"].split()[-1] == "█" * 24
    assert rows["real"].split()[-1][0] == "█" > rows["real"].split()[-1][-1]
    assert rows["chance"].split() == ["chance", "2.303"]
    assert "learning rate 0.1; the range test suggests 0.1, diverges at 5.6" in lines
    assert "train: 75% dead units" in lines


def test_layers_are_shown_on_request() -> None:
    text = render(capture(), color=False, width=80, layers=True)
    row = next(line for line in text.splitlines() if line.startswith("train.weight"))
    assert row.split()[1:3] == ["1e-06", "1.7e-07"]
    assert row.split()[3] == "█▅▄▂▁▁"


def test_colour_is_asked_for_and_letters_serve_where_there_are_no_blocks() -> None:
    assert "\x1b[" in render(capture(), color=True, width=80, layers=False)
    text = render(capture(), color=False, width=80, layers=True, encoding="ascii")
    assert text.isascii()
    assert "\x1b[" not in text
    assert "#" * 24 in text


def test_no_name_reaches_the_terminal_as_it_is() -> None:
    text = render(capture("[red]\x1b[2J" + "A" * 10_000), color=False, width=80, layers=True)
    assert "\x1b" not in text
    assert "[red]" in text
    assert max(map(len, text.splitlines())) <= 110


def test_what_did_not_train_has_no_table() -> None:
    assert render(Capture(), color=False, width=80, layers=True) == ""
    short = Capture(trajectories={"real": trajectory("real", [1.0])})
    assert render(short, color=False, width=80, layers=True) == ""
