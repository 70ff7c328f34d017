"""How much of what nnlint said was true, round by round, on code that no rule had seen.

    python benchmarks/rounds.py            each round, errors and warnings
    python benchmarks/rounds.py --rules    each rule, over all rounds

Each round is a set of whole public repositories, fetched after the rules of that day were written, and
judged before any rule was changed for them. Severities are those of that day. Counted from
verdicts.jsonl; rounds 1 to 5 have no severities there (real_code.md has their sums).
"""

from __future__ import annotations

from collections import defaultdict

import click
from rich.console import Console
from rich.table import Table
from verdicts import Review, Tally, Verdict, VerdictError, load

# Options that a script cannot switch off: true so often that it hides the other errors' share.
PLAIN = "NNL614"
SEVERITIES = ("error", "warning")


def tallies(reviews: list[Review], rule: str | None = None) -> dict[str, Tally]:
    """By severity; `error*` are the errors without the plainest rule."""
    result: defaultdict[str, Tally] = defaultdict(Tally)
    for review in reviews:
        if review.unseen is None or (rule is not None and review.key.code != rule):
            continue
        names = [review.unseen.severity]
        if review.unseen.severity == "error" and review.key.code != PLAIN:
            names.append("error*")
        for name in names:
            for verdict, count in review.unseen.counts.items():
                result[name].add(verdict, count)
    return result


def cells(tally: Tally) -> list[str]:
    counts = [str(getattr(tally, verdict.value) or "") for verdict in Verdict]
    shares = ["" if share is None else f"{share:.0%}" for share in (tally.decided, tally.precision)]
    return [*counts, *shares]


def table(first: str, rows: list[tuple[str, str, Tally]]) -> Table:
    shown = Table(header_style="bold")
    shown.add_column(first, no_wrap=True)
    shown.add_column("severity")
    for name in (*(verdict.value for verdict in Verdict), "true/decided", "true/all"):
        shown.add_column(name, justify="right")
    for name, severity, tally in rows:
        shown.add_row(name, severity, *cells(tally))
    return shown


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.option("--rules", is_flag=True, help="One row for each rule and severity instead.")
def main(rules: bool) -> None:
    try:
        reviews = [review for review in load().values() if review.unseen is not None]
    except VerdictError as error:
        raise click.ClickException(str(error)) from None
    console = Console(highlight=False)
    if rules:
        codes = sorted({review.key.code for review in reviews})
        found = [(code, tallies(reviews, code)) for code in codes]
        console.print(table("rule", [(code, s, by[s]) for s in SEVERITIES for code, by in found if s in by]))
        return
    rows = []
    numbers = sorted({review.unseen.round for review in reviews if review.unseen is not None})
    for number in (*numbers, None):
        part = [r for r in reviews if r.unseen is not None and number in (None, r.unseen.round)]
        name = f"{number} ({len({review.key.package for review in part})})"
        by = tallies(part)
        for severity in ("error", "error*", "warning"):
            rows.append(("all" if number is None else name, severity, by[severity]))
            name = ""
    console.print(table("round", rows))
    console.print(
        f"In parentheses: repositories with findings. error*: without {PLAIN}. Debatable: the code does what "
        "the message says, and its author may have wanted that."
    )


if __name__ == "__main__":
    main()
