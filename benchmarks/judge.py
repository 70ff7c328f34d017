"""Put judged findings into verdicts.jsonl, and print the true ones as bullets for real_code.md.

    python benchmarks/judge.py --root CORPORA ROWS.jsonl…

A row has `path` (CORPUS/PACKAGE/FILE, from the root), `line`, `code`, `verdict` and `reason`, and
`cell` where FILE is a notebook. A second verdict on the same line replaces the first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from sources import lines_of, project
from verdicts import FILE, Key, Review, Verdict, VerdictError, line_hash, load

from nnlint.notebook import NotebookError


def judged(root: Path, file: Path) -> Iterator[tuple[Review, str]]:
    """Every row as a verdict, with its bullet."""
    for number, text in enumerate(file.read_text().splitlines(), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            _, folder, path = row["path"].split("/", 2)
            line = lines_of(root / row["path"], row.get("cell"))[row["line"] - 1]
            key = Key(project(folder), path, row["code"], line_hash(line))
            review = Review(key, Verdict(row["verdict"]), row["reason"].strip().rstrip("."))
        except (OSError, ValueError, KeyError, TypeError, IndexError, NotebookError) as error:
            raise VerdictError(f"{file.name}:{number}: {error!r}") from None
        place = folder.replace("__", "/") if "__" in folder else folder
        yield review, f"- {place}, `{path}`, line {row['line']}, {row['code']}: {review.reason}."


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.option("--root", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("rows", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(root: Path, rows: Sequence[Path]) -> None:
    try:
        reviews = load()
        for review, bullet in (one for file in rows for one in judged(root, file)):
            known = reviews.get(review.key)
            if review.verdict is Verdict.TRUE and not (known and known.verdict is Verdict.TRUE):
                print(bullet)
            reviews[review.key] = review
    except VerdictError as error:
        raise click.ClickException(str(error)) from None
    FILE.write_text("".join(f"{review.line()}\n" for review in reviews.values()))


if __name__ == "__main__":
    main()
