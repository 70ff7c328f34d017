"""Every figure in one command: runs the benchmarks one after the other, and keeps their results in one file.

python benchmarks/all.py                  every part; the static peers take most of an hour
python benchmarks/all.py --quick          every part with few rounds of little: less than ten minutes
python benchmarks/all.py static latency   some of them
python benchmarks/all.py --corpus DIR     the static peers over the files of a folder

results/all.json has all figures, with the machine, the versions, how long each part took, and which failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from measure import RESULTS, machine

HERE = Path(__file__).parent
# In this order; a part is the script of this name.
PARTS = ("static", "linearity", "startup", "cache", "latency", "graph", "run", "mnist")
VERSIONS = ("click", "libcst", "nnlint", "pathspec", "pygls", "rich", "torch")


def known(name: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--quick", is_flag=True, help="Few rounds of little.")
@click.option("--corpus", metavar="DIR", help="What the peers read in the part `static`.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "all.json", show_default=True)
def main(parts: tuple[str, ...], quick: bool, corpus: str | None, output: Path) -> None:
    before = machine()
    took: dict[str, int] = {}
    failed: list[str] = []
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in parts or PARTS:
            click.echo(f"== {part}", err=True)
            kept = Path(folder) / f"{part}.json"
            command = [sys.executable, str(HERE / f"{part}.py"), "--output", str(kept)]
            command += ["--quick"] if quick else []
            command += ["--corpus", corpus] if corpus and part == "static" else []
            started = time.perf_counter()
            done = subprocess.run(command, check=False)
            took[part] = round(time.perf_counter() - started)
            click.echo(f"== {part}: {took[part]} s", err=True)
            if done.returncode:
                failed.append(part)
            else:
                results[part] = json.loads(kept.read_text(encoding="utf-8"))
    content = {
        "machine": before,
        "quick": quick,
        "versions": {name: known(name) for name in VERSIONS},
        "seconds": took,
        "failed": failed,
        "results": results,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
