"""What one file costs, as a whole process: cold, warm (nothing changed), and where the imports go.

    python benchmarks/startup.py                        this Python's nnlint
    python benchmarks/startup.py --python V/bin/python  that of another environment, best one with a wheel
    python benchmarks/startup.py --quick                few rounds, no results file

CPU seconds, the least of all rounds, which are interleaved: on a busy machine trust the ratios to the floor,
a Python that imports libcst and parses the file. Bytecode is written before anything is measured.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
from measure import Run, keep, machine, run, sized

import nnlint

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "fixtures" / "buggy" / "mnist_best_metric.py"
FLOOR = "floor: libcst parse"
# -X importtime does not see what importlib.import_module imports: here it imports as a statement does.
PROFILE = """
import importlib, sys
def import_module(name, package=None):
    __import__(name)
    return sys.modules[name]
importlib.import_module = import_module
from nnlint.cli import main
main()
"""
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def commands(python: str, cache: str) -> dict[str, list[str]]:
    parse = f"import libcst; libcst.parse_module(open({str(SCRIPT)!r}).read())"
    nnlint_ = [python, "-m", "nnlint"]
    return {
        "python": [python, "-c", "pass"],
        "import click": [python, "-c", "import click"],
        FLOOR: [python, "-c", parse],
        "nnlint --version": [*nnlint_, "--version"],
        "nnlint, warm": [*nnlint_, "--isolated", "--cache-dir", cache, str(SCRIPT)],
        "nnlint, cold": [*nnlint_, "--isolated", "--no-cache", str(SCRIPT)],
    }


def imports(python: str, arguments: list[str], folder: str) -> Counter[str]:
    """Milliseconds of imports by package, each module's own; those of nnlint one level deeper."""
    command = [python, "-X", "importtime", "-c", PROFILE, *arguments]
    # In the folder of the other runs: it is what the cache knows the project by.
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    spent: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        if match := LINE.match(line):
            parts = match[2].split(".")
            package = ".".join(parts[:2]) if parts[0] == "nnlint" and len(parts) > 2 else parts[0]
            spent[package] += int(match[1]) / 1000  # type: ignore[assignment]
    return spent


@click.command()
@click.option("--python", default=sys.executable, help="The Python in whose environment nnlint is.")
@click.option("--rounds", type=int, default=10, show_default=True)
@sized
def main(python: str, rounds: int, quick: bool, output: Path | None) -> None:
    """Measure one file."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rounds = 3 if quick else rounds
    with tempfile.TemporaryDirectory() as folder:
        todo = commands(python, str(Path(folder, "cache")))
        runs: dict[str, list[Run]] = {name: [] for name in todo}
        for turn in range(rounds + 1):
            for name, command in todo.items():
                done = run(command, frozenset({0, 1}), Path(folder))
                if done.error:
                    raise click.ClickException(f"{name}: {done.error}")
                if turn:  # the first fills the caches
                    runs[name].append(done)
        profile = {
            name: imports(python, todo[name][3:], folder).most_common(12)
            for name in ("nnlint, warm", "nnlint, cold")
        }
    cpu = {name: min(done.cpu for done in each) for name, each in runs.items()}
    for name, seconds in cpu.items():
        wall, peak = min(each.wall for each in runs[name]), max(each.peak_mb for each in runs[name])
        ratio = seconds / cpu[FLOOR]
        print(f"{name:20} {seconds:.3f} s CPU  {wall:.3f} s wall  {peak:4.0f} MB  {ratio:.2f} x floor")
    for name, packages in profile.items():
        print(f"\n{name}, imports in ms: {', '.join(f'{package} {ms:.1f}' for package, ms in packages)}")
    content = {"nnlint": nnlint.__version__, "machine": machine(), "cpu": cpu, "imports": profile}
    keep("startup", content, quick, output)


if __name__ == "__main__":
    main()
