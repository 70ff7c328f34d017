"""`nnlint decompose`: reads figures, prints what the test error is made of and what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nnlint.options import fail

EXAMPLES = """\b
Examples:
  nnlint decompose --target 0.01 --train 0.20 --val 0.27 --test 0.28
  nnlint decompose --target 0.05 --train 0.06 --train-val 0.10 --val 0.20 --test 0.22
  nnlint decompose --target 97 --train 92 --val 88 --higher-is-better
  nnlint decompose --target 0.1 lightning_logs/version_0/metrics.csv

\b
What the parts mean, and how to measure them: nnlint explain NNL908.
Exit status: 0; 2 if the figures cannot be used."""

_NUMBER = click.FLOAT


@click.command(epilog=EXAMPLES, short_help="What a test error is made of, and what to do next.")
@click.argument("log", required=False, type=click.Path(path_type=Path))
@click.option(
    "--target", type=_NUMBER, required=True, help="What can be reached: people, a published result."
)
@click.option("--train", type=_NUMBER, help="On the training data, in evaluation mode.")
@click.option(
    "--train-val", type=_NUMBER, help="On held-out data like the training data, if --val are others."
)
@click.option("--val", type=_NUMBER, help="On the validation data, by which things were chosen.")
@click.option("--test", type=_NUMBER, help="On the test data.")
@click.option("--higher-is-better", is_flag=True, help="The figures are scores, not errors.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def decompose(
    log: Path | None,
    target: float,
    train: float | None,
    train_val: float | None,
    val: float | None,
    test: float | None,
    higher_is_better: bool,
    output_format: str,
) -> None:
    """Split an error into avoidable bias, variance, distribution shift and validation overfitting.

    The figures are errors, given as options or read from a LOG (CSV, JSON, JSON lines) at its epoch with
    the best validation figure; an option takes the place of what the log says.
    """
    from nnlint.decompose import NEXT, DecomposeError, Figures, from_log, largest, parts

    options = {"train": train, "train_val": train_val, "val": val, "test": test}
    try:
        given = from_log(log, higher_is_better) if log is not None else {}
        given |= {name: value for name, value in options.items() if value is not None}
        if missing := [name for name in ("train", "val") if name not in given]:
            fail(f"give --{missing[0]}, or a log that has it")
        sign = -1.0 if higher_is_better else 1.0
        figures = Figures(sign * target, **{name: sign * value for name, value in given.items()})
    except DecomposeError as error:
        fail(str(error))
    found = parts(figures)
    worst = largest(found)
    steps = NEXT[worst.name] if worst is not None else ()
    if output_format == "json":
        report = {
            "figures": {"target": target, **given},
            "parts": {part.name: part.size for part in found},
            "largest": worst.name if worst is not None else None,
            "next": list(steps),
        }
        click.echo(json.dumps(report, indent=2))
        return
    if log is not None:
        stated = ", ".join(f"{name.replace('_', '-')} {value:g}" for name, value in given.items())
        click.echo(f"{log}: {stated}\n")
    for part in found:
        mark = ">" if part is worst else " "
        click.echo(f"{mark} {part.name:<23} {part.size:>10.4g}   {part.meaning}")
    if worst is None:
        click.echo("\nNo part is above zero: the target is reached; look for a leak if that surprises you.")
        return
    click.echo(f"\nThe largest part is {worst.name}. In this order:")
    for number, text in enumerate(steps, 1):
        click.echo(f"  {number}. {text}")
