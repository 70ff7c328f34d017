"""Every figure in one command: runs the benchmarks one after the other, and keeps their results in one file.

python benchmarks/all.py                                  every part, on the pinned packages
python benchmarks/all.py static latency                   some of them
python benchmarks/all.py --corpus DIR --rounds 1          the peers over the files of a folder, once

Each part also keeps its figures in a results file of its own; results/all.json has them all, with the
machine, the versions, and how long each part took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from measure import machine

HERE = Path(__file__).parent
RESULTS = HERE / "results"
# In this order; a part is the script of this name.
PARTS = ("static", "linearity", "startup", "cache", "latency", "graph", "run", "mnist")
VERSIONS = ("click", "libcst", "nnlint", "pathspec", "pygls", "rich", "torch")


def known(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--corpus", metavar="DIR", help="What the peers read in the part `static`.")
@click.option("--rounds", metavar="N", help="How often they do.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "all.json", show_default=True)
def main(parts: tuple[str, ...], corpus: str | None, rounds: str | None, output: Path) -> None:
    given = {"--corpus": corpus, "--rounds": rounds}
    options = [word for name, value in given.items() if value for word in (name, value)]
    before, took, failed = machine(), {}, []
    for part in parts or PARTS:
        click.echo(f"== {part}", err=True)
        command = [sys.executable, str(HERE / f"{part}.py"), *(options if part == "static" else [])]
        started = time.perf_counter()
        if subprocess.run(command, check=False).returncode:
            failed.append(part)
        else:
            took[part] = round(time.perf_counter() - started)
            click.echo(f"== {part}: {took[part]} s", err=True)
    content = {
        "machine": before,
        "versions": {name: known(name) for name in VERSIONS},
        "seconds": took,
        "failed": failed,
        "results": {
            part: json.loads((RESULTS / f"{part}.json").read_text(encoding="utf-8")) for part in took
        },
    }
    output.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
