"""What the commands share that run a script: what to run, within which limits, and how far it is."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnlint.options import fail

if TYPE_CHECKING:
    from nnlint.capture.plan import Request
    from nnlint.capture.supervise import Progress
    from nnlint.executors.executor import Executor

_Command = TypeVar("_Command", bound=Callable[..., Any])


class TargetCommand(click.Command):
    """Everything behind the script's or module's name is the script's own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        at = 0
        # A model has no options of its own.
        ctx.allow_interspersed_args = "--trace-only" in args
        while not ctx.allow_interspersed_args and at < len(args) and args[at].startswith("-"):
            if args[at] == "-m":
                args = [*args[: at + 2], "--", *args[at + 2 :]]
                break
            at += 2 if args[at] in with_value else 1
        if "--against" in args[at:-1] and any(param.name == "reference" for param in self.params):
            # Where one looks for it: `nnlint run A.py --against B.py`.
            found = args.index("--against", at)
            args = [*args[found : found + 2], *args[:found], *args[found + 2 :]]
        return super().parse_args(ctx, args)


def target(command: _Command) -> _Command:
    """SCRIPT, its ARGUMENTS, -m, and the limits; `request` makes a Request of what they are given."""
    decorators = (
        click.argument("script", required=False),
        click.argument("arguments", nargs=-1, type=click.UNPROCESSED),
        click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does."),
        click.option(
            "--budget",
            "seconds",
            type=click.FloatRange(min=1),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="How long the script may run, in all.",
        ),
        click.option(
            "--memory",
            type=click.FloatRange(min=0.1),
            metavar="GIB",
            help="How much memory the script may take, in all.  [default: 80 % of what is free]",
        ),
        click.option("--cpu", is_flag=True, help="Hide accelerators from the script."),
        click.option(
            "--no-fork", is_flag=True, help="Run the script anew for each part instead of forking it."
        ),
        click.option("--verbose", is_flag=True, help="Show what the script prints (on standard error)."),
        click.option(
            "--trace-only",
            is_flag=True,
            help="Run no script: SCRIPT is a model, as package.module:Class or file.py:Class(8), and only "
            "its forward is looked at, run once on tensors without memory where that will do.",
        ),
        click.option(
            "--shape",
            "shapes",
            multiple=True,
            metavar="SIZES",
            help="With --trace-only, the shape of each input, N being the batch: N,3,224,224 or "
            "tokens=N,128:int64<50257.",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def request(
    script: str | None,
    arguments: tuple[str, ...],
    module: str | None,
    *,
    seconds: float,
    memory: float | None,
    cpu: bool,
    no_fork: bool,
    verbose: bool,
    trace_only: bool,
    shapes: tuple[str, ...],
) -> Request:
    """What is to be run; ends nnlint if it is not there."""
    from nnlint.capture.plan import Request

    if trace_only:
        if script is None or module is not None or arguments or not shapes:
            raise click.UsageError("--trace-only takes one model, as package.module:Class, and --shape")
        name, arguments = script, shapes
    elif shapes:
        raise click.UsageError("--shape is for --trace-only")
    elif module is not None:
        # With -m, the first word is already the module's own.
        arguments, name = ((script, *arguments) if script else ()), module
    elif script is None:
        raise click.UsageError("give a SCRIPT, or -m MODULE")
    elif not Path(script).is_file():
        fail(f"{script}: no such file")
    else:
        name = script
    return Request(
        name,
        arguments,
        module=module is not None,
        seconds=seconds,
        memory=memory or 0.0,
        cpu=cpu,
        fork=not no_fork,
        verbose=verbose,
        trace=trace_only,
    )


def processes(asked: int | None) -> int:
    """In how many processes the script is to run together; 0: in one, alone.

    Under `torchrun -m nnlint run …` that is as many as torchrun has started. The first of them starts its own
    and speaks for all; the others end here.
    """
    if asked or "TORCHELASTIC_RUN_ID" not in os.environ:
        return asked or 0
    if os.environ["WORLD_SIZE"] != os.environ["LOCAL_WORLD_SIZE"]:
        fail("processes on several machines cannot be examined together; run torchrun on one of them")
    if os.environ["RANK"] != "0":
        sys.exit(0)
    return int(os.environ["WORLD_SIZE"])


def place(executor: str, what: Request) -> AbstractContextManager[Executor | None]:
    """Where the runs of a script happen; None: here, forked from one."""
    if executor == "local":
        return contextlib.nullcontext()
    from nnlint.executors.ray_cluster import cluster

    return cluster(cpu=what.cpu, verbose=what.verbose)


def show_output(output: str) -> None:
    """On standard error, the end of what a script printed that came to nothing."""
    if output.strip():
        tail = "\n".join(f"  | {line}" for line in output.rstrip().splitlines()[-12:])
        click.echo(f"The end of what the script printed:\n{tail}\n", err=True)


@contextlib.contextmanager
def bar(budget: float) -> Iterator[Callable[[Progress], None] | None]:
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
