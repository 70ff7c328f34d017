"""Put judged findings into verdicts.jsonl, and print the true ones as bullets for real_code.md.

    python benchmarks/judge.py --root CORPORA ROWS.jsonl…
    python benchmarks/judge.py --root CORPORA --round N ROWS.jsonl…

A row has `path` (CORPUS/PACKAGE/FILE, from the root), `line`, `code`, `verdict` and `reason`, and
`cell` where FILE is a notebook. A second verdict on the same line replaces the first. The rows of a
round on unseen code also have `severity`, as it was when the round was judged; rounds.py counts them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
from sources import lines_of, project
from verdicts import FILE, Key, Review, Unseen, Verdict, VerdictError, line_hash, load

from nnlint.notebook import NotebookError


def judged(root: Path, file: Path, number: int | None) -> Iterator[tuple[Review, str]]:
    """Every row as a verdict, in a round where it has a number, with its bullet."""
    for place, text in enumerate(file.read_text().splitlines(), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            _, folder, path = row["path"].split("/", 2)
            line = lines_of(root / row["path"], row.get("cell"))[row["line"] - 1]
            key = Key(project(folder), path, row["code"], line_hash(line))
            verdict = Verdict(row["verdict"])
            unseen = Unseen(number, row["severity"], {verdict: 1}) if number is not None else None
            review = Review(key, verdict, row["reason"].strip().rstrip("."), unseen)
        except (OSError, ValueError, KeyError, TypeError, IndexError, NotebookError) as error:
            raise VerdictError(f"{file.name}:{place}: {error!r}") from None
        where = folder.replace("__", "/") if "__" in folder else folder
        yield review, f"- {where}, `{path}`, line {row['line']}, {row['code']}: {review.reason}."


def together(known: Review | None, review: Review, counted: set[Key]) -> Review:
    """The newer verdict; in a round, with the counts of all its findings on the same line of code, and
    outside of one with those that the older verdict has."""
    if review.unseen is None:
        return replace(review, unseen=known.unseen) if known else review
    if review.key not in counted or known is None or known.unseen is None:
        counted.add(review.key)
        return review
    counts = Counter(known.unseen.counts)
    counts.update(review.unseen.counts)
    return replace(review, unseen=replace(review.unseen, counts=dict(counts)))


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.option("--root", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--round", "number", type=int, metavar="N", help="The rows are a round on code unseen until then."
)
@click.argument("rows", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(root: Path, number: int | None, rows: Sequence[Path]) -> None:
    counted: set[Key] = set()
    try:
        reviews = load()
        for review, bullet in (one for file in rows for one in judged(root, file, number)):
            known = reviews.get(review.key)
            if review.verdict is Verdict.TRUE and not (known and known.verdict is Verdict.TRUE):
                print(bullet)
            reviews[review.key] = together(known, review, counted)
    except VerdictError as error:
        raise click.ClickException(str(error)) from None
    FILE.write_text("".join(f"{review.line()}\n" for review in reviews.values()))


if __name__ == "__main__":
    main()
