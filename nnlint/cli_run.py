"""`nnlint run`: reads options, examines, prints, sets the status."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnlint.options import fail, load_linter, output, selection, wants_color
from nnlint.reporters import reporter

if TYPE_CHECKING:
    from nnlint.capture.supervise import Progress

EXAMPLES = """\b
Examples:
  nnlint run train.py                      the script as `python train.py` would run it
  nnlint run train.py --epochs 3           what follows the script's name is the script's own
  nnlint run -m package.train --lr 0.1     a module, as with `python -m`
  nnlint run notebook.ipynb                the code cells in order
  nnlint run --budget 20 train.py          at most 20 seconds

\b
Nothing that the script writes, renames or deletes stays: it works on a view of the file system of its
own that is thrown away. What it sends over the network does leave; W&B, MLflow, Comet and Neptune are
switched off.
Exit status: 0 nothing found; 1 findings; 2 something could not be examined."""


class _Run(click.Command):
    """Everything behind the script's or module's name is the script's own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        at = 0
        while at < len(args) and args[at].startswith("-"):
            if args[at] == "-m":
                args = [*args[: at + 2], "--", *args[at + 2 :]]
                break
            at += 2 if args[at] in with_value else 1
        return super().parse_args(ctx, args)


@click.command(
    cls=_Run,
    epilog=EXAMPLES,
    short_help="Run a script to its first training step, and examine it.",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("script", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does.")
@click.option(
    "--budget",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the script may run, in all.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0.1),
    default=0.0,
    metavar="GIB",
    help="How much memory the script may take, in all.  [default: 80 % of what is free]",
)
@click.option("--cpu", is_flag=True, help="Hide accelerators from the script.")
@click.option("--no-fork", is_flag=True, help="Run the script anew for each part instead of forking it.")
@click.option("--verbose", is_flag=True, help="Show what the script prints (on standard error).")
@selection
@output
def run(
    script: str | None,
    arguments: tuple[str, ...],
    module: str | None,
    budget: float,
    memory: float,
    cpu: bool,
    no_fork: bool,
    verbose: bool,
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    output_format: str | None,
    exit_zero: bool,
    config: Path | None,
    isolated: bool,
) -> None:
    """Run SCRIPT with its ARGUMENTS to its first training step, and examine that step and its source."""
    from nnlint.capture.plan import Request
    from nnlint.examine import examine

    if module is not None:
        # With -m, the first word is already the module's own.
        arguments, target = ((script, *arguments) if script else ()), module
    elif script is None:
        raise click.UsageError("give a SCRIPT, or -m MODULE")
    elif not Path(script).is_file():
        fail(f"{script}: no such file")
    else:
        target = script
    linter, settings = load_linter((target,), select, extend_select, ignore, output_format, config, isolated)
    what = Request(
        target,
        arguments,
        module=module is not None,
        seconds=budget,
        memory=memory,
        cpu=cpu,
        fork=not no_fork,
        verbose=verbose,
    )
    with _bar(budget) as progress:
        report, seen = examine(linter, what, progress)
    render = reporter(settings.output_format)
    if render is None:
        fail(f"there is no reporter {settings.output_format}")
    if seen.first_step is None and seen.output.strip() and settings.output_format == "text" and not verbose:
        tail = "\n".join(f"  | {line}" for line in seen.output.rstrip().splitlines()[-12:])
        click.echo(f"The end of what the script printed:\n{tail}\n", err=True)
    click.echo(render(report, color=wants_color()), nl=False, color=True)
    status = report.status(settings.fail_on)
    sys.exit(0 if status == 1 and exit_zero else status)


@contextlib.contextmanager
def _bar(budget: float) -> Iterator[Callable[[Progress], None] | None]:
    """On a terminal: how far each continuation is, and how much of the time is used."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        first = bars.add_task(f"running to the first training step (at most {budget:g} s)")
        tasks = {}

        def show(progress: Progress) -> None:
            text = f"{progress.name}: step {progress.steps}, loss {progress.loss:.4g}"
            if progress.name not in tasks:
                tasks[progress.name] = bars.add_task(text)
                bars.update(first, description="continuing from the first training step")
            bars.update(tasks[progress.name], description=text)

        yield show
