"""A large tree: cold, warm, and what it takes to read and hash it at all.

    python benchmarks/cache.py                     10,000 files
    python benchmarks/cache.py --files 1000        fewer
    python benchmarks/cache.py --quick             300 files, one round, no results file

One file in eight is a training script (a fixture under another name, with a comment of its own), the
others are modules without torch. Each figure is of a whole process; the floor is a Python that finds, reads
and hashes the files. Wall time and CPU time, as ratios to the floor of the same round, and the peak memory of
one process.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click
from measure import Run, Spread, keep, machine, run, sized

import nnlint

ROOT = Path(__file__).resolve().parent.parent
FLOOR = "read and hash"
READ = """
import hashlib, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as stream:
            hashlib.blake2b(stream.read(), digest_size=20).hexdigest()
"""


def grow(top: Path, files: int) -> int:
    """Write the tree; its size in bytes."""
    scripts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "fixtures").glob("*/*.py"))]
    others = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "nnlint").glob("*.py"))]
    others = [text.replace("torch", "porch").replace("lightning", "thunder") for text in others]
    size = 0
    for number in range(files):
        folder = top / f"package{number // 100:03}"
        folder.mkdir(parents=True, exist_ok=True)
        pool = scripts if number % 8 == 0 else others
        text = f"{pool[number % len(pool)]}\n# {number}\n"
        (folder / f"module{number:05}.py").write_text(text, encoding="utf-8")
        size += len(text)
    return size


@click.command()
@click.option("--files", type=int, default=10_000, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
@sized
def main(files: int, rounds: int, quick: bool, output: Path | None) -> None:
    """Measure many files."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    files, rounds = (300, 1) if quick else (files, rounds)
    with tempfile.TemporaryDirectory() as folder:
        top, cache = Path(folder, "tree"), str(Path(folder, "cache"))
        size = grow(top, files)
        check = [sys.executable, "-m", "nnlint", "--isolated", "--statistics"]
        runs: dict[str, list[Run]] = {}

        def measured(name: str, command: list[str]) -> None:
            done = run(command, frozenset({0, 1}), top)
            if done.error:
                raise click.ClickException(f"{name}: {done.error}")
            runs.setdefault(name, []).append(done)

        measured("cold, every core", [*check, "--cache-dir", cache, "."])
        for _ in range(rounds):
            measured(FLOOR, [sys.executable, "-c", READ, "."])
            measured("warm", [*check, "--cache-dir", cache, "."])
            changed = top / "package000" / "module00000.py"
            changed.write_text(changed.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
            measured("one file changed", [*check, "--cache-dir", cache, "."])
    told = {}
    for name, each in runs.items():
        floors = runs[FLOOR]
        ratios = {
            unit: Spread.of(
                [
                    getattr(done, unit) / getattr(floor, unit)
                    for done, floor in zip(each, floors, strict=False)
                ]
            )
            for unit in ("wall", "cpu")
        }
        wall, cpu = (Spread.of([getattr(done, unit) for done in each]) for unit in ("wall", "cpu"))
        peak = max(done.peak_mb for done in each)
        told[name] = {
            "wall": wall.to_dict(),
            "cpu": cpu.to_dict(),
            "wall_ratio": ratios["wall"].to_dict(),
            "cpu_ratio": ratios["cpu"].to_dict(),
            "peak_mb": round(peak),
        }
        print(
            f"{name:18} {wall.show()} s wall ({ratios['wall'].show()} x)  {cpu.show()} s CPU "
            f"({ratios['cpu'].show()} x)  {peak:.0f} MB"
        )
    print(f"{files} files, {size / 1e6:.1f} MB; x: times {FLOOR}")
    content = {
        "nnlint": nnlint.__version__,
        "machine": machine(),
        "files": files,
        "bytes": size,
        "runs": told,
    }
    keep("cache", content, quick, output)


if __name__ == "__main__":
    main()
