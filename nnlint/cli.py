"""The command line. Thin: it reads options, calls the engine or the registry, prints, sets the status."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from nnlint import __version__
from nnlint.reporters import reporter, reporter_names, statistics_reporter

if TYPE_CHECKING:
    from nnlint.config import Config
    from nnlint.engine import Linter
    from nnlint.fixer import Fixer
    from nnlint.page import Page

_Command = TypeVar("_Command", bound=Callable[..., Any])

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


class _DefaultToCheck(click.Group):
    """`nnlint train.py` is `nnlint check train.py`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if not args or (args[0] not in self.commands and args[0] not in own):
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help for the one thing most people want, then the rest."""
        formatter.write_usage("nnlint", "[OPTIONS] [PATHS]...   or   nnlint COMMAND ...")
        self.format_help_text(ctx, formatter)
        check = [param for param in self.commands["check"].params if isinstance(param, click.Option)]
        options = [*check, *self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])
        self.format_commands(ctx, formatter)
        self.format_epilog(ctx, formatter)


@click.group(cls=_DefaultToCheck, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="nnlint %(version)s")
def cli() -> None:
    """Find the bugs that let a PyTorch script run, lower its loss, and still be wrong.

    Reads source only: no training script is ever run, and torch need not be installed.
    """


def _comma_list(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _rules_option(flag: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(flag, multiple=True, metavar="RULES", callback=_comma_list, help=text)


@cli.command(epilog=EXAMPLES, short_help="Check files and folders; may be left out.")
@click.argument("paths", nargs=-1)
@_rules_option(
    "--select", "Report these rules only: codes, code prefixes, names or ALL, with commas between."
)
@_rules_option("--extend-select", "Report these rules too.")
@_rules_option("--ignore", "Do not report these rules.")
@click.option(
    "--fix", is_flag=True, help="Apply safe fixes and report what is left; `-` is written to stdout."
)
@click.option("--unsafe-fixes", is_flag=True, help="Count fixes that may change more than the bug as well.")
@click.option("--diff", is_flag=True, help="Print what --fix would change and change nothing; 1 if anything.")
@click.option("--output-format", type=click.Choice(reporter_names()), help="How to print the findings.")
@click.option("--statistics", is_flag=True, help="Print how often each rule has spoken, not the findings.")
@click.option("--show-files", is_flag=True, help="Print the files that would be checked, and check none.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read the settings from this file."
)
@click.option("--isolated", is_flag=True, help="Read no settings file.")
def check(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    fix: bool,
    unsafe_fixes: bool,
    diff: bool,
    output_format: str | None,
    statistics: bool,
    show_files: bool,
    exit_zero: bool,
    config: Path | None,
    isolated: bool,
) -> None:
    """Check files and folders (the current one if none is given); `-` is standard input."""
    from nnlint.config import ConfigError
    from nnlint.engine import Linter
    from nnlint.registry import RegistryError, SelectorError

    paths = paths or (".",)
    try:
        settings = _settings(paths, config, isolated)
        settings = replace(
            settings,
            # A choice on the command line takes the place of the whole choice in the file.
            select=select or settings.select,
            extend_select=(*(() if select else settings.extend_select), *extend_select),
            ignore=(*settings.ignore, *ignore),
            output_format=output_format or settings.output_format,
        )
        if settings.output_format not in reporter_names():
            known = ", ".join(reporter_names())
            raise ConfigError(f"{settings.path}: `output-format` must be one of {known}")
        linter = Linter.load(settings)
    except (ConfigError, RegistryError, SelectorError) as error:
        _fail(str(error))
    render = (statistics_reporter if statistics else reporter)(settings.output_format)
    if render is None:
        _fail(f"--statistics has no {settings.output_format} form")
    if show_files:
        status = _show_files(linter, paths)
    elif diff:
        status = _diff(linter, paths, unsafe_fixes)
    else:
        fixer = _fixer(linter, unsafe_fixes, write=True) if fix else None
        report = replace(linter.check(paths, fixer), unsafe_fixes=unsafe_fixes)
        if fixer:
            report = replace(report, fixed=fixer.fixed)
        piped = fixer is not None and "-" in paths
        if fixer and piped:
            click.echo(fixer.stdin, nl=False)
        click.echo(render(report, color=_wants_color(err=piped)), nl=False, color=True, err=piped)
        status = report.status(settings.fail_on)
    sys.exit(0 if status == 1 and exit_zero else status)


def _fixer(linter: Linter, unsafe: bool, *, write: bool) -> Fixer:
    from nnlint.fixer import Fixer

    return Fixer(linter, unsafe, write)


def _diff(linter: Linter, paths: tuple[str, ...], unsafe: bool) -> int:
    """What `--fix` would change, on stdout; what could not be looked at, on stderr."""
    from nnlint.engine import SYNTAX_ERROR
    from nnlint.fixer import diff

    fixer = _fixer(linter, unsafe, write=False)
    report = linter.check(paths, fixer)
    click.echo(diff(fixer.changed), nl=False)
    broken = [finding for finding in report.findings if finding.code == SYNTAX_ERROR]
    for entry in report.not_run:
        click.echo(f"nnlint: {': '.join(filter(None, (entry.filename, entry.what, entry.why)))}", err=True)
    for finding in broken:
        click.echo(
            f"nnlint: {finding.filename}:{finding.span.start.row}: not fixed: {finding.message}", err=True
        )
    click.echo(fixer.summary(), err=True)
    return 2 if report.not_run or broken else int(bool(fixer.changed))


def _show_files(linter: Linter, paths: tuple[str, ...]) -> int:
    found = linter.discover(paths)
    for file in found.files:
        click.echo(file)
    for entry in found.not_run:
        click.echo(f"nnlint: {entry.filename}: {entry.why}", err=True)
    return 2 if found.not_run else 0


@cli.command()
@click.argument("rule")
def explain(rule: str) -> None:
    """Explain one rule, by code or by name."""
    from nnlint.registry import SelectorError, find

    try:
        page = find(_pages(), rule)
    except SelectorError as error:
        _fail(str(error))
    default = "on" if page.default else "off"
    facts = f"{page.severity.value} · {_tiers(page)} · {default} by default · since {page.since}"
    if not _wants_color():
        click.echo(f"{page.body.rstrip()}\n\n{facts}")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    # The marks after `py` are for the tests; a highlighter would not know such a language.
    body = page.body.replace("```py bad", "```py").replace("```py good", "```py")
    console = Console(force_terminal=True)
    console.print(Markdown(body))
    console.print(f"\n[dim]{facts}[/dim]")


@cli.command()
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", help="How to print them."
)
def rules(output_format: str) -> None:
    """List every rule."""
    pages = _pages()
    if output_format == "json":
        click.echo(json.dumps([_facts(page) for page in pages], indent=2, ensure_ascii=False))
    elif _wants_color():
        _print_table(pages)
    else:
        width = max(len(page.name) for page in pages)
        for page in pages:
            default = "on " if page.default else "off"
            click.echo(f"{page.code}  {page.name:{width}}  {page.severity.value:7}  {default}  {page.lead}")


def _print_table(pages: tuple[Page, ...]) -> None:
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.table import Table

    styles = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
    table = Table("code", "name", "severity", "default", "what it finds", header_style="bold")
    for page in pages:
        severity = f"[{styles[page.severity.value]}]{page.severity.value}[/]"
        default = "on" if page.default else "off"
        table.add_row(page.code, page.name, severity, default, Markdown(page.lead))
    Console(force_terminal=True).print(table)


def _facts(page: Page) -> dict[str, Any]:
    return {
        "code": page.code,
        "name": page.name,
        "severity": page.severity.value,
        "tiers": list(page.tiers),
        "default": page.default,
        "fix": page.fix.value if page.fix else None,
        "since": page.since,
        "lead": page.lead,
        "url": page.url,
    }


def _tiers(page: Page) -> str:
    names = {"S": "static", "G": "graph", "E": "experiment"}
    return " and ".join(names[tier] for tier in page.tiers) or "about the input itself"


def _pages() -> tuple[Page, ...]:
    from nnlint.page import PageError
    from nnlint.registry import RegistryError, pages

    try:
        found = pages()
        for page in found:
            # Read here, where a page that breaks the form can still be said in one line.
            page.content  # noqa: B018
    except (PageError, RegistryError) as error:
        _fail(str(error))
    return found


def _settings(paths: tuple[str, ...], config: Path | None, isolated: bool) -> Config:
    from nnlint.config import Config, ConfigError, find_config, load_config

    if isolated and config is not None:
        raise ConfigError("--isolated and --config exclude each other")
    if isolated:
        return Config()
    if config is not None:
        return load_config(config) or Config(path=config)
    return find_config(Path.cwd() if paths[0] == "-" else Path(paths[0]))


def _wants_color(err: bool = False) -> bool:
    """Colours are for terminals, unless the environment says otherwise (no-color.org, force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (sys.stderr if err else sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def _fail(message: str) -> NoReturn:
    click.echo(f"nnlint: {message}", err=True)
    sys.exit(2)


def main() -> NoReturn:
    """The `nnlint` command."""
    for stream in (sys.stdout, sys.stderr):
        # A file name or a terminal that is not UTF-8 must not turn a finding into a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        _end("interrupted", 130)
    except click.ClickException as error:
        error.show()
        _end("", error.exit_code)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _end("", 0)
    sys.exit(0)


def _end(message: str, status: int) -> NoReturn:
    if message:
        click.echo(f"nnlint: {message}", err=True)
    sys.exit(status)
