"""What the commands share: the options that choose rules and output, and what follows from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from nnlint.lines import printable
from nnlint.reporters import reporter_names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from nnlint.config import Config
    from nnlint.engine import Linter

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _comma_list(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def rule_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell may put in the place of the beginning of a code or name."""
    from click.shell_completion import CompletionItem

    from nnlint.registry import pages

    return [
        CompletionItem(key, help=page.name)
        for page in pages()
        for key in (page.code, page.name)
        if key.lower().startswith(incomplete.lower())
    ]


def _rules(flag: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(
        flag,
        multiple=True,
        metavar="RULES",
        callback=_comma_list,
        shell_complete=rule_names,
        help=text,
    )


def selection(command: _Command) -> _Command:
    """--select, --extend-select and --ignore."""
    command = _rules("--ignore", "Do not report these rules.")(command)
    command = _rules("--extend-select", "Report these rules too.")(command)
    text = "Report these rules only: codes, code prefixes, names or ALL, with commas between."
    return _rules("--select", text)(command)


def settings_file(command: _Command) -> _Command:
    """--config and --isolated."""
    command = click.option("--isolated", is_flag=True, help="Read no settings file.")(command)
    return click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read the settings from this file."
    )(command)


def output(command: _Command) -> _Command:
    """--output-format, --exit-zero, --config and --isolated."""
    command = settings_file(command)
    command = click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")(
        command
    )
    return click.option(
        "--output-format", type=click.Choice(reporter_names()), help="How to print the findings."
    )(command)


# By extra, the modules that it brings and that cannot be done without.
_EXTRAS = {"report": ("jinja2", "markdown_it", "matplotlib"), "tensorboard": ("tensorboard",)}
# How the help of `check` groups its options; what is in no group comes last.
_GROUPS = {
    "Rules": ("select", "extend_select", "ignore"),
    "Fixes": ("fix", "unsafe_fixes", "diff"),
    "Known findings": ("baseline", "add_ignores"),
    "Output": ("output_format", "statistics", "show_files", "watch", "exit_zero"),
    "Files": ("stdin_filename", "force_exclude"),
    "Work": ("jobs", "shard", "no_cache", "cache_dir"),
    "Settings": ("config", "isolated"),
}


def write_options(
    ctx: click.Context, formatter: click.HelpFormatter, params: Sequence[click.Parameter]
) -> None:
    """The options in groups."""
    params = [param for param in params if isinstance(param, click.Option)]
    grouped = {name for names in _GROUPS.values() for name in names}
    rest = tuple(param.name for param in params if param.name not in grouped)
    for title, names in {**_GROUPS, "Other options": rest}.items():
        records = [param.get_help_record(ctx) for param in params if param.name in names]
        if shown := [record for record in records if record is not None]:
            with formatter.section(title):
                formatter.write_dl(shown)


def load_linter(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    output_format: str | None,
    config: Path | None,
    isolated: bool,
    *,
    baseline: str | None = None,
    stdin_filename: str = "",
) -> tuple[Linter, Config]:
    """The linter and the settings that options and settings files ask for; ends nnlint if they cannot be.

    `baseline` takes the place of the settings' own; with an empty one the linter knows of no findings.
    Standard input has the settings of the file whose name it is given, or of the current folder.
    """
    from nnlint.baseline import BaselineError
    from nnlint.config import ConfigError
    from nnlint.engine import Linter
    from nnlint.registry import RegistryError, SelectorError

    try:
        settings = _settings(stdin_filename if paths[0] == "-" else paths[0], config, isolated)
        settings = settings.choosing(select, extend_select, ignore)
        settings = replace(settings, output_format=output_format or settings.output_format)
        if settings.output_format not in reporter_names():
            names = ", ".join(reporter_names())
            raise ConfigError(f"{settings.path}: `output-format` must be one of {names}")
        if settings.output_format == "html":
            require("report", "the format html")
        known = settings.baseline if baseline is None else baseline and str(Path(baseline).absolute())
        return Linter.load(replace(settings, baseline=known)), settings
    except (BaselineError, ConfigError, RegistryError, SelectorError) as error:
        fail(str(error))


def _settings(first: str, config: Path | None, isolated: bool) -> Config:
    from nnlint.config import Config, ConfigError, find_config, load_config

    if isolated and config is not None:
        raise ConfigError("--isolated and --config exclude each other")
    if isolated:
        return Config()
    if config is not None:
        return load_config(config) or Config(path=config)
    return find_config(Path(first))


def wants_color(err: bool = False) -> bool:
    """Colours are for terminals, unless the environment says otherwise (no-color.org, force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (sys.stderr if err else sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def require(extra: str, what: str) -> None:
    """End nnlint if a module is missing that this extra brings, and that is what it needs."""
    from importlib.util import find_spec

    if missing := [name for name in _EXTRAS[extra] if find_spec(name) is None]:
        fail(f"{what} needs {' and '.join(missing)}: pip install 'nnlint[{extra}]'")


def fail(message: str) -> NoReturn:
    """Say in one line why the request was not carried out, and end with status 2."""
    click.echo(f"nnlint: {printable(message)}", err=True)
    sys.exit(2)
