"""What `nnlint run` shows beside its findings: curves in the terminal, a page, files for TensorBoard."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnlint import atomic
from nnlint.options import fail, require, wants_color

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture
    from nnlint.finding import Report

_Command = TypeVar("_Command", bound=Callable[..., Any])

# A table in a file is as wide as most terminals are.
_WIDTH = 100


def shown(command: _Command) -> _Command:
    """--report and --tensorboard."""
    command = click.option(
        "--tensorboard",
        "board_folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Write curves, histograms, images and the graph for TensorBoard to a new folder in this one.",
    )(command)
    return click.option(
        "--report",
        "report_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write a page with the findings, curves, maps of the layers, the batch and the graph (HTML) to "
        "this file.",
    )(command)


def check(report_file: Path | None, board_folder: Path | None) -> None:
    """End nnlint before the script is run if what it shows could not be written."""
    if report_file is not None:
        require("report", "--report")
    if board_folder is not None:
        require("tensorboard", "--tensorboard")
    if report_file is not None and not report_file.absolute().parent.is_dir():
        fail(f"{report_file}: there is no folder {report_file.absolute().parent}")


def curves(seen: Capture, *, layers: bool) -> None:
    """Print how the losses went, and with `layers` how each of them fared."""
    from nnlint.report.terminal import render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    encoding = sys.stdout.encoding or "ascii"
    text = render(seen, color=wants_color(), width=width, layers=layers, encoding=encoding)
    click.echo(text, nl=False, color=True)


def write(report: Report, seen: Capture, report_file: Path | None, board_folder: Path | None) -> None:
    """What was asked for; ends nnlint if it cannot be written."""
    if report_file is not None:
        _page(report_file, report, seen)
    if board_folder is not None:
        from nnlint.report.board import BoardError
        from nnlint.report.board import write as write_board

        try:
            folder = write_board(seen, board_folder)
        except BoardError as error:
            fail(str(error))
        click.echo(f"Written to {folder}: see it with `tensorboard --logdir {board_folder}`", err=True)


def page(report: Report, seen: Capture) -> str:
    """The page, with the command that has led to it."""
    from nnlint.report.document import build

    return build(report, seen, ["nnlint", *sys.argv[1:]])


def _page(path: Path, report: Report, seen: Capture) -> None:
    text = page(report, seen)
    try:
        atomic.write(path, text.encode(errors="replace"))
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
