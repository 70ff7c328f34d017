"""The commands that set a project up: `nnlint baseline`, `nnlint schema`, `nnlint completion`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from nnlint.options import fail, load_linter, selection, settings_file

DEFAULT_BASELINE = "nnlint-baseline.json"


@click.command(short_help="Write down the present findings, so that only new ones are reported.")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--output", "-o", metavar="FILE", help="The file to write.  [default: the settings' `baseline`]"
)
@selection
@settings_file
def baseline(
    paths: tuple[str, ...],
    output: str | None,
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    config: Path | None,
    isolated: bool,
) -> None:
    """Write the findings in PATHS (default: the current folder) to a file of known findings.

    With `baseline = "FILE"` in the settings, or `--baseline FILE`, these are not reported any more, wherever
    in their files they move. A finding is known by its rule and the code around it.
    """
    from nnlint import atomic
    from nnlint.baseline import Baseline
    from nnlint.fingerprint import fingerprints

    paths = paths or (".",)
    linter, settings = load_linter(paths, select, extend_select, ignore, None, config, isolated, baseline="")
    report = linter.check(paths)
    for entry in report.not_run:
        click.echo(f"nnlint: {entry.filename}: {entry.what}: {entry.why}", err=True)
    names = [linter.relative(finding.filename) for finding in report.findings]
    keys = fingerprints(report.findings, report.sources)
    known = Baseline.of(zip(names, report.findings, keys, strict=True))
    file = Path(output) if output else settings.root / (settings.baseline or DEFAULT_BASELINE)
    try:
        atomic.write(file, known.to_json().encode())
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    count = sum(sum(each.values()) for each in known.files.values())
    click.echo(f"Wrote {count} finding{'' if count == 1 else 's'} to {file}.")
    if not settings.baseline:
        click.echo(f'Use it with `baseline = "{file.name}"` in the settings, or `--baseline {file}`.')
    sys.exit(2 if report.not_run else 0)


@click.command(short_help="Print the JSON schema of the settings.")
def schema() -> None:
    """Print the JSON schema of nnlint.toml, which is also that of [tool.nnlint] in pyproject.toml."""
    from nnlint.schema import schema as make

    click.echo(json.dumps(make(), indent=2, ensure_ascii=False))


@click.command(short_help="Print the script that completes nnlint's commands and options in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    bash:  echo 'eval "$(nnlint completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(nnlint completion zsh)"' >> ~/.zshrc
    fish:  nnlint completion fish > ~/.config/fish/completions/nnlint.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        fail(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "nnlint", "_NNLINT_COMPLETE").source())
