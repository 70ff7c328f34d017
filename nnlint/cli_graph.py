"""`nnlint graph`: prints or draws what a script computes in its first training step."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnlint import atomic
from nnlint.cli_target import TargetCommand, bar, request, show_output, target
from nnlint.options import fail, wants_color

if TYPE_CHECKING:
    from nnlint.capture.plan import Request
    from nnlint.graph.step import GraphStep

EXAMPLES = """\b
Examples:
  nnlint graph train.py --epochs 3         what `python train.py --epochs 3` computes first
  nnlint graph --all train.py              a row an operation, however many there are
  nnlint graph --svg step.svg train.py     a picture (needs Graphviz)
  nnlint graph --dot step.dot -m package.train
  nnlint graph --trace-only package.net:Net --shape N,3,32,32

\b
The batch axis is written N and coloured. A module is one row, or box, where there are too many operations
to read. Exit status: 0; 2 if nothing could be recorded."""


@click.command(
    cls=TargetCommand,
    epilog=EXAMPLES,
    short_help="Print what a script computes in its first training step.",
    context_settings={"allow_interspersed_args": False},
)
@target
@click.option("--all", "every", is_flag=True, help="A row an operation, however many there are.")
@click.option("--dot", type=click.Path(path_type=Path, dir_okay=False), help="Write it for Graphviz.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it with Graphviz.")
def graph(
    script: str | None,
    arguments: tuple[str, ...],
    module: str | None,
    every: bool,
    dot: Path | None,
    svg: Path | None,
    **limits: Any,
) -> None:
    """Run SCRIPT with its ARGUMENTS to its first training step, and print what that step computes."""
    if svg is not None and shutil.which("dot") is None:
        fail("--svg needs Graphviz, whose program `dot` is not found; --dot writes what it would draw")
    step = _recorded(request(script, arguments, module, **limits))
    if dot is None and svg is None:
        _print(step, every)
        return
    from nnlint.graph.drawing import drawing

    text = drawing(step)
    if dot is not None:
        _write(dot, text.encode())
    if svg is not None:
        done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=False)
        if done.returncode:
            fail(f"Graphviz: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
        _write(svg, done.stdout)


def _recorded(what: Request) -> GraphStep:
    from nnlint.capture.supervise import capture
    from nnlint.experiments.graph import FEW, WHOLE, step_of

    with bar(what.seconds) as progress:
        seen = capture(what, () if what.trace else (FEW, WHOLE), progress)
    step = step_of(seen)
    if step is None:
        if not what.verbose:
            show_output(seen.output)
        reasons = [f"{entry.what}: {entry.why}" for entry in seen.not_run]
        fail(f"{what.target}: {reasons[0] if reasons else 'nothing was recorded'}")
    return step


def _print(step: GraphStep, every: bool) -> None:
    from rich.console import Console

    from nnlint.graph.listing import legend, listing

    # Written to a file, lines are as long as they are.
    console = Console(
        force_terminal=wants_color(), no_color=not wants_color(), highlight=False,
        width=None if sys.stdout.isatty() else 200,
    )  # fmt: skip
    console.print(listing(step, every))
    console.print()
    for line in legend(step):
        console.print(line)


def _write(path: Path, data: bytes) -> None:
    try:
        atomic.write(path, data)
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
