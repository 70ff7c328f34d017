"""`nnlint run`: reads options, examines, prints, sets the status."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nnlint import cli_shown
from nnlint.cli_shown import shown
from nnlint.cli_target import TargetCommand, bar, place, processes, request, show_output, target
from nnlint.options import fail, load_linter, output, selection, wants_color
from nnlint.reporters import reporter

EXAMPLES = """\b
Examples:
  nnlint run train.py                      the script as `python train.py` would run it
  nnlint run train.py --epochs 3           what follows the script's name is the script's own
  nnlint run -m package.train --lr 0.1     a module, as with `python -m`
  nnlint run notebook.ipynb                the code cells in order
  nnlint run --budget 20 train.py          at most 20 seconds
  nnlint run --report report.html train.py
                                           with a page to look at
  nnlint run --verbose train.py            with what it prints, and how each layer fares
  nnlint run train.py --against other.py   where two scripts that should do the same part
  nnlint run --nproc-per-node 2 train_ddp.py
                                           in two processes, as `torchrun` would start them
  nnlint run --capacity hidden=8,16,32 train.py
                                           the smallest that overfits the training set
  nnlint run --executor ray train.py       experiments and capacities on the machines of a Ray cluster
  nnlint run --trace-only package.net:Net --shape N,3,32,32
                                           a model without a script: what its forward shows

\b
Nothing that the script writes, renames or deletes stays: it works on a view of the file system of its
own that is thrown away. What it sends over the network does leave; W&B and MLflow are switched off, and
Comet, Neptune, ClearML and SwanLab asked to be.
Exit status: 0 nothing found; 1 findings; 2 something could not be examined."""


@click.command(
    cls=TargetCommand,
    epilog=EXAMPLES,
    short_help="Run a script to its first training step, and examine it.",
    context_settings={"allow_interspersed_args": False},
)
@target
@click.option(
    "--only",
    multiple=True,
    metavar="EXPERIMENT",
    help="Do this experiment and no other (can be given again): overfit, baseline, health …",
)
@click.option(
    "--nproc-per-node",
    "ranks",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run the script in so many processes, as torchrun does (on gloo where there is no accelerator).",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where experiments and capacities run: on this machine, or spread over a Ray cluster (the one at "
    "RAY_ADDRESS, or one that runs here). Its machines need nnlint[ray], and the script and its data at the "
    "same path.",
)
@click.option("--skip", multiple=True, metavar="EXPERIMENT", help="Leave this experiment out.")
@click.option(
    "--capacity",
    "varied",
    metavar="NAME=VALUES",
    help="Instead of the other experiments, find the smallest of these capacities that overfits the training "
    "set: hidden=8,16,32 (an option of the script, or a constant of it).",
)
@click.option(
    "--against",
    "reference",
    metavar="SCRIPT",
    help="Instead of the experiments, run this script, too, from the same seed and weights, and find the "
    "first tensor in which the two part; may stand behind the script's own arguments.",
)
@shown
@selection
@output
def run(
    script: str | None,
    arguments: tuple[str, ...],
    module: str | None,
    ranks: int | None,
    only: tuple[str, ...],
    executor: str,
    skip: tuple[str, ...],
    varied: str | None,
    reference: str | None,
    report_file: Path | None,
    board_folder: Path | None,
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    output_format: str | None,
    exit_zero: bool,
    config: Path | None,
    isolated: bool,
    **limits: Any,
) -> None:
    """Run SCRIPT with its ARGUMENTS to its first training step, and examine that step and its source."""
    from nnlint.chosen import ChoiceError
    from nnlint.comparing import AgainstError, against
    from nnlint.examine import examine
    from nnlint.executors.executor import ExecutorError
    from nnlint.report.courses import wanted
    from nnlint.searching import CapacityError, capacities

    what = request(script, arguments, module, **limits)
    if count := processes(ranks):
        what = replace(what, ranks=count)
    if what.ranks and (varied or reference or what.trace):
        raise click.UsageError("--nproc-per-node goes with none of --capacity, --against and --trace-only")
    if executor == "ray" and (what.ranks or reference or what.trace):
        raise click.UsageError(
            "--executor ray goes with none of --nproc-per-node, --against and --trace-only"
        )
    if varied is not None and reference is not None:
        raise click.UsageError("--capacity and --against exclude each other")
    if select and (varied or reference):
        extend_select = (*extend_select, "NNL905" if varied else "NNL907")
    linter, settings = load_linter(
        (what.target,), select, extend_select, ignore, output_format, config, isolated
    )
    cli_shown.check(report_file, board_folder)
    looked_at = report_file is not None or board_folder is not None or settings.output_format == "html"
    also = wanted(only, skip) if looked_at else ()
    try:
        capacity = capacities(varied) if varied is not None else None
        other = against(reference) if reference is not None else None
    except (AgainstError, CapacityError) as error:
        fail(str(error))
    try:
        with place(executor, what) as where, bar(what.seconds) as progress:
            report, seen = examine(
                linter,
                what,
                progress,
                only=only,
                skip=skip,
                capacity=capacity,
                other=other,
                also=also,
                executor=where,
            )
    except (CapacityError, ChoiceError, ExecutorError) as error:
        fail(str(error))
    render = reporter(settings.output_format)
    if render is None:
        fail(f"there is no reporter {settings.output_format}")
    if seen.first_step is None and not seen.traced and settings.output_format == "text" and not what.verbose:
        show_output(seen.output)
    if settings.output_format == "text":
        cli_shown.curves(seen, layers=what.verbose)
    page = settings.output_format == "html"
    text = cli_shown.page(report, seen) if page else render(report, color=wants_color())
    click.echo(text, nl=False, color=True)
    cli_shown.write(report, seen, report_file, board_folder)
    status = report.status(settings.fail_on)
    sys.exit(0 if status == 1 and exit_zero else status)
