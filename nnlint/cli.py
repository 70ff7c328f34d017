"""The command line. Thin: it reads options, calls the engine or the registry, prints, sets the status."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import click

from nnlint import __version__
from nnlint.cli_work import cores, open_cache, work
from nnlint.options import fail, load_linter, output, selection, wants_color, write_options
from nnlint.reporters import Render, reporter, statistics_reporter

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from nnlint.engine import Linter
    from nnlint.finding import Report
    from nnlint.fixer import Fixer
    from nnlint.shard import Shard

EXAMPLES = """\b
Examples:
  nnlint train.py                         check one script
  nnlint src scripts                      check every Python file below two folders
  cat train.py | nnlint -                 check standard input
  nnlint --select NNL3 train.py           only the rules about the training loop
  nnlint --ignore bare-squeeze train.py   all but one rule, by code or by name
  nnlint --output-format json src         for other programs
  nnlint --diff src                       show what safe fixes would change, change nothing
  nnlint --fix --unsafe-fixes train.py    apply all fixes, then report what is left
  nnlint explain NNL201                   what a rule means and what to write instead

\b
Exit status: 0 nothing found; 1 findings; 2 something could not be checked.
A comment `# nnlint: ignore[NNL201] reason` on a line silences that rule there."""


# Where the other commands are: each is imported when it is asked for, as most runs are `check`.
_ELSEWHERE = {
    "baseline": "nnlint.cli_project",
    "completion": "nnlint.cli_project",
    "decompose": "nnlint.cli_decompose",
    "explain": "nnlint.cli_rules",
    "graph": "nnlint.cli_graph",
    "rules": "nnlint.cli_rules",
    "run": "nnlint.cli_run",
    "schema": "nnlint.cli_project",
    "server": "nnlint.cli_server",
}


class _Check(click.Command):
    """Its options in the same groups as those of `nnlint --help`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(ctx, formatter, self.get_params(ctx))


class _DefaultToCheck(click.Group):
    """`nnlint train.py` is `nnlint check train.py`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if not args or (args[0] not in self.list_commands(ctx) and args[0] not in own):
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, without importing them."""
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name in _ELSEWHERE:
            return cast(click.Command, getattr(importlib.import_module(_ELSEWHERE[cmd_name]), cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help for the one thing most people want, then the rest."""
        formatter.write_usage("nnlint", "[OPTIONS] [PATHS]...   or   nnlint COMMAND ...")
        self.format_help_text(ctx, formatter)
        write_options(ctx, formatter, [*self.commands["check"].params, *self.get_params(ctx)])
        self.format_commands(ctx, formatter)
        self.format_epilog(ctx, formatter)


@click.group(cls=_DefaultToCheck, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="nnlint %(version)s")
def cli() -> None:
    """Find the bugs that let a PyTorch script run, lower its loss, and still be wrong.

    Reads source only, and torch need not be installed. `nnlint run train.py` runs a script to its first
    training step and sees more.
    """


def _paths_or_commands(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What the first word may be, as `check` may be left out; then files and folders."""
    from click.shell_completion import CompletionItem

    files = CompletionItem(incomplete, type="file")
    if ctx.params.get("paths") or ctx.parent is None:
        return [files]
    return [*cli.shell_complete(ctx.parent, incomplete), files]


@cli.command(cls=_Check, epilog=EXAMPLES, short_help="Check files and folders; may be left out.")
@click.argument("paths", nargs=-1, shell_complete=_paths_or_commands)
@selection
@click.option(
    "--fix", is_flag=True, help="Apply safe fixes and report what is left; `-` is written to stdout."
)
@click.option("--unsafe-fixes", is_flag=True, help="Count fixes that may change more than the bug as well.")
@click.option("--diff", is_flag=True, help="Print what --fix would change and change nothing; 1 if anything.")
@click.option("--baseline", metavar="FILE", help="Do not report what this file of known findings lists.")
@click.option("--add-ignores", is_flag=True, help="Write an ignore comment for each finding into its file.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@click.option("--statistics", is_flag=True, help="Print how often each rule has spoken, not the findings.")
@click.option("--show-files", is_flag=True, help="Print the files that would be checked, and check none.")
@click.option(
    "--stdin-filename",
    metavar="FILE",
    default="",
    help="The file that standard input is: its settings hold, and a notebook is read as one.",
)
@click.option(
    "--force-exclude", is_flag=True, help="Leave out what the settings exclude even where it is named."
)
@work
@output
def check(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    fix: bool,
    unsafe_fixes: bool,
    diff: bool,
    baseline: str | None,
    add_ignores: bool,
    watch: bool,
    output_format: str | None,
    statistics: bool,
    show_files: bool,
    stdin_filename: str,
    force_exclude: bool,
    jobs: int | None,
    shard: Shard,
    no_cache: bool,
    cache_dir: Path | None,
    exit_zero: bool,
    config: Path | None,
    isolated: bool,
) -> None:
    """Check files and folders (the current one if none is given); `-` is standard input."""
    paths = paths or (("-",) if stdin_filename else (".",))
    if stdin_filename and paths != ("-",):
        raise click.UsageError("--stdin-filename is for standard input alone: nnlint --stdin-filename FILE -")
    if (fix or diff) + add_ignores + watch + show_files > 1:
        raise click.UsageError("--fix or --diff, --add-ignores, --watch and --show-files exclude each other")
    if "-" in paths and (add_ignores or watch):
        raise click.UsageError("--add-ignores and --watch need files, not standard input")
    if "-" in paths and shard.count > 1:
        raise click.UsageError("--shard needs files, not standard input")
    linter, settings = load_linter(
        paths,
        select,
        extend_select,
        ignore,
        output_format,
        config,
        isolated,
        baseline=baseline,
        stdin_filename=stdin_filename,
    )
    linter = replace(
        linter,
        shard=shard,
        force_exclude=force_exclude,
        stdin_name=stdin_filename or linter.stdin_name,
    )
    render = (statistics_reporter if statistics else reporter)(settings.output_format)
    if render is None:
        fail(f"--statistics has no {settings.output_format} form")
    if show_files:
        status = _show_files(linter, paths)
    elif watch:
        status = _watch(linter, paths, render)
    else:
        # What was found is written down when this is left, by Ctrl-C as well.
        with open_cache(settings, no_cache, cache_dir) as cache:
            look = partial(linter.check, paths, cache=cache, jobs=jobs or cores())
            if diff:
                status = _diff(look, _fixer(linter, unsafe_fixes, write=False))
            elif add_ignores:
                status = _add_ignores(look, linter, render)
            else:
                fixer = _fixer(linter, unsafe_fixes, write=True) if fix else None
                report = _checked(look, fixer, unsafe_fixes, render, piped=fix and "-" in paths)
                status = report.status(settings.fail_on)
    sys.exit(0 if status == 1 and exit_zero else status)


def _checked(
    look: Callable[..., Report], fixer: Fixer | None, unsafe: bool, render: Render, *, piped: bool
) -> Report:
    """The report, printed; on stderr where stdout is for the repaired standard input."""
    report = replace(look(fixer), unsafe_fixes=unsafe)
    if fixer:
        report = replace(report, fixed=fixer.fixed)
        if piped:
            click.echo(fixer.stdin, nl=False)
    click.echo(render(report, color=wants_color(err=piped)), nl=False, color=True, err=piped)
    return report


def _fixer(linter: Linter, unsafe: bool, *, write: bool) -> Fixer:
    from nnlint.fixer import Fixer

    return Fixer(linter, unsafe, write)


def _diff(look: Callable[..., Report], fixer: Fixer) -> int:
    """What `--fix` would change, on stdout; what could not be looked at, on stderr."""
    from nnlint.engine import SYNTAX_ERROR
    from nnlint.fixer import diff

    report = look(fixer)
    click.echo(diff(fixer.changed, color=wants_color()), nl=False, color=True)
    broken = [finding for finding in report.findings if finding.code == SYNTAX_ERROR]
    for entry in report.not_run:
        click.echo(f"nnlint: {': '.join(filter(None, (entry.filename, entry.what, entry.why)))}", err=True)
    for finding in broken:
        click.echo(
            f"nnlint: {finding.shown_name}:{finding.span.start.row}: not fixed: {finding.message}", err=True
        )
    click.echo(fixer.summary(), err=True)
    return 2 if report.not_run or broken else int(bool(fixer.changed))


def _watch(linter: Linter, paths: tuple[str, ...], render: Render) -> int:
    from nnlint.watching import reports

    with contextlib.suppress(KeyboardInterrupt):
        for report in reports(linter, paths):
            if sys.stdout.isatty():
                click.clear()
            click.echo(render(report, color=wants_color()), nl=False, color=True)
            click.echo("Watching for changes; Ctrl-C ends.", err=True)
            sys.stdout.flush()
    return 0


def _add_ignores(look: Callable[..., Report], linter: Linter, render: Render) -> int:
    from nnlint.ignores import IgnoreAdder

    adder = IgnoreAdder(linter)
    report = look(adder)
    click.echo(render(report, color=wants_color()), nl=False, color=True)
    click.echo(f"Silenced {adder.added} finding{'' if adder.added == 1 else 's'} by comments.", err=True)
    return report.status()


def _show_files(linter: Linter, paths: tuple[str, ...]) -> int:
    found = linter.discover(paths)
    for file in found.files:
        click.echo(file)
    for entry in found.not_run:
        click.echo(f"nnlint: {entry.filename}: {entry.why}", err=True)
    return 2 if found.not_run else 0


def main() -> NoReturn:
    """The `nnlint` command."""
    # libcst's classes and a file's tree are many objects that live long: looking through them for garbage
    # at every 700th allocation is a tenth of the time.
    gc.set_threshold(100_000, 50, 100)
    for stream in (sys.stdout, sys.stderr):
        # A file name or a terminal that is not UTF-8 must not turn a finding into a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from nnlint.registry import RegistryError

    try:
        cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        _end("interrupted", 130)
    except click.ClickException as error:
        error.show()
        _end("", error.exit_code)
    except RegistryError as error:
        # A rule is imported when the first file asks for it.
        _end(str(error), 2)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _end("", 0)
    sys.exit(0)


def _end(message: str, status: int) -> NoReturn:
    if message:
        click.echo(f"nnlint: {message}", err=True)
    sys.exit(status)
