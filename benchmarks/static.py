"""nnlint beside its peers and the physical floor: the same files, one run, rounds interleaved.

    python benchmarks/static.py                    pinned PyPI packages, every peer
    python benchmarks/static.py --corpus DIR       other files
    python benchmarks/static.py --peer torchfix    only some peers (`--peer none`: no peer)
    python benchmarks/static.py --profile          and where nnlint's own time goes

The figure to trust is CPU seconds, as a ratio to `libcst parse` of the same round: other programs on
the machine hardly move it. Each figure is of a whole process, start-up included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from measure import Run, Spread, keep, machine, run, sized
from peers import NNLINT, PEERS, ROOT, PeerError, Tool, nnlint, parse
from rich.console import Console
from rich.table import Table
from sources import Package, SourceError, package

CORPUS = ("timm==1.0.31", "segmentation-models-pytorch==0.6.0", "skorch==1.4.0")
# Of these, what a quick run reads: the smallest.
QUICK = ("segmentation-models-pytorch==0.6.0",)
SCRIPT_ROUNDS = 7
START = Tool("python", sys.version.split()[0], lambda *_: [sys.executable, "-c", "pass"])

console = Console(width=120 if not sys.stdout.isatty() else None)


@dataclass
class Row:
    """A tool and what it took, round by round."""

    tool: Tool
    runs: list[Run] = field(default_factory=list)

    @property
    def error(self) -> str:
        return next((run.error for run in self.runs if run.error), "")

    def spread(self, figure: str) -> Spread:
        return Spread.of([getattr(run, figure) for run in self.runs])

    def ratio(self, floor: Row, figure: str) -> Spread:
        pairs = zip(self.runs, floor.runs, strict=True)
        return Spread.of([getattr(own, figure) / getattr(base, figure) for own, base in pairs])

    def to_dict(self, floor: Row | None) -> dict[str, Any]:
        figures: dict[str, Any] = {"tool": self.tool.name, "version": self.tool.version}
        if self.error:
            return {**figures, "error": self.error}
        figures |= {name: self.spread(name).to_dict() for name in ("cpu", "wall", "peak_mb")}
        if floor:
            figures |= {f"{name}_ratio": self.ratio(floor, name).to_dict() for name in ("cpu", "wall")}
        return figures


def race(tools: Sequence[Tool], files: Sequence[str], rounds: int) -> list[Row]:
    """Every tool in every round, each round starting with another tool."""
    rows = [Row(tool) for tool in tools]
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "files.txt"
        listing.write_text("\n".join(files))
        for turn in range(rounds):
            first = turn % len(rows)
            for row in (*rows[first:], *rows[:first]):
                with console.status(f"round {turn + 1} of {rounds}: {row.tool.name}"):
                    row.runs.append(run(row.tool.command(files, listing), row.tool.expected, ROOT))
    return rows


def table(rows: Sequence[Row], floor: Row, title: str) -> Table:
    shown = Table("tool", title=title, title_justify="left", header_style="bold")
    for name in ("CPU s", "wall s", "CPU × parse", "wall × parse", "peak MB"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if row.error:
            shown.add_row(row.tool.name, "[red]failed[/]")
            continue
        shown.add_row(
            row.tool.name,
            row.spread("cpu").show(),
            row.spread("wall").show(),
            row.ratio(floor, "cpu").show(),
            row.ratio(floor, "wall").show(),
            f"{row.spread('peak_mb').median:.0f}",
        )
    return shown


def example_script() -> Path:
    """The clean fixture that is nearest to 150 lines."""
    scripts = sorted((ROOT / "fixtures" / "clean").glob("*.py"))
    return min(scripts, key=lambda path: abs(len(path.read_text().splitlines()) - 150))


def aims(corpus: dict[str, Row], script: dict[str, Row]) -> list[str]:
    """What issue 9 asks for, and what came out."""
    own, lines = corpus["nnlint"], []
    if own.error or script["nnlint"].error:
        return ["nnlint failed, so there is nothing to compare"]
    ratio = own.ratio(corpus["libcst parse"], "cpu").median
    lines.append(f"nnlint takes {ratio:.2f} × libcst's parse of all the files (aim: at most 0.5)")
    if "TorchFix" in corpus and not corpus["TorchFix"].error:
        share = corpus["TorchFix"].ratio(own, "cpu").median
        lines.append(f"TorchFix takes {share:.1f} × nnlint (aim: at least 10)")
    wall, cpu = script["nnlint"].spread("wall"), script["nnlint"].spread("cpu")
    lines.append(f"one script takes nnlint {wall.show()} s, of which CPU {cpu.show()} s (aim: at most 0.25)")
    return lines


def work_done(files: Sequence[str]) -> dict[str, int]:
    """What nnlint did in one pass. Its status alone would let one that stops at once pass as a fast one."""
    command = [*NNLINT, *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise click.ClickException(f"nnlint does not run: {said[-1]}") from None
    listed = subprocess.run(
        [sys.executable, "-m", "nnlint", "rules", "--output-format=json"], cwd=ROOT, capture_output=True
    )
    rules = [rule for rule in json.loads(listed.stdout) if rule["default"]]
    counts = {"files": report["summary"]["files"], "rules": len(rules)}
    counts |= {"findings": len(report["findings"]), "not_run": len(report["not_run"])}
    if counts["files"] != len(files):
        raise click.ClickException(f"nnlint read {counts['files']} of {len(files)} files")
    return counts


def profile(files: Sequence[str]) -> dict[str, dict[str, float]]:
    """Run in a process of its own: it patches nnlint's classes."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "files.txt"
        listing.write_text("\n".join(files))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(Path(__file__).with_name("breakdown.py")), str(listing)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"--profile: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, dict[str, float]] = json.loads(done.stdout)
    return result


def print_profile(spent: dict[str, dict[str, float]]) -> None:
    stages = "  ".join(f"{stage} {seconds:.2f}" for stage, seconds in spent["stages"].items())
    console.print(f"\nnnlint in process, CPU s: {stages}  (sum {sum(spent['stages'].values()):.2f})")
    slowest = sorted(spent["rules"].items(), key=lambda item: -item[1])[:8]
    if slowest:
        console.print("slowest rules: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in slowest))


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.option("--corpus", type=FOLDER, help="Read the Python files of this folder instead.")
@click.option("--rounds", default=3, show_default=True, help="How often each tool runs over the files.")
@click.option("--peer", multiple=True, type=click.Choice([*PEERS, "none"]), help="Only these peers.")
@click.option("--profile", "profiled", is_flag=True, help="Break nnlint's time down by stage and rule.")
@sized
def main(
    corpus: Path | None,
    rounds: int,
    peer: tuple[str, ...],
    profiled: bool,
    quick: bool,
    output: Path | None,
) -> None:
    pins, rounds, script_rounds = (QUICK, 1, 2) if quick else (CORPUS, rounds, SCRIPT_ROUNDS)
    try:
        packages = [Package(corpus.name, corpus)] if corpus else [package(pin) for pin in pins]
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    files = [str(path.resolve()) for part in packages for path in part.files()]
    if not files:
        raise click.ClickException("no Python files there")
    lines = sum(Path(name).read_bytes().count(b"\n") for name in files)
    with console.status("nnlint, once"):
        done = work_done(files)
    tools, skipped = [parse(), nnlint()], []
    for name, make in PEERS.items():
        if peer and name not in peer:
            continue
        try:
            with console.status(f"installing {name}"):
                tools.append(make())
        except PeerError as error:
            skipped.append(str(error))
    one = example_script()
    size = len(one.read_text().splitlines())
    # First the short race: it also warms the disk and the byte code up for the long one.
    small = race([START, *tools], [str(one)], script_rounds)
    large = race(tools, files, rounds)
    what = ", ".join([corpus.name] if corpus else pins)
    console.print(table(large, large[0], f"{what}: {len(files)} files, {lines:,} lines, {rounds} rounds"))
    console.print(table(small, small[1], f"{one.name}, {size} lines, {script_rounds} rounds"))
    console.print("versions: " + "; ".join(f"{tool.name} {tool.version}" for tool in tools), markup=False)
    console.print("nnlint: " + ", ".join(f"{count} {name}" for name, count in done.items()), markup=False)
    for row in (*large, *small):
        if row.error:
            console.print(f"failed: {row.tool.name}: {row.error}", markup=False)
    for line in skipped:
        console.print(f"skipped: {line}", markup=False)
    by_name = [{row.tool.name: row for row in rows} for rows in (large, small)]
    busy = os.getloadavg()[0] - 1
    if busy > 0.5:
        console.print(f"{busy:.1f} other processes were running: trust the CPU ratios, not the wall clock")
    for line in aims(*by_name):
        console.print(line, markup=False)
    spent = profile(files) if profiled else None
    if spent:
        print_profile(spent)
    result = {
        "machine": machine(),
        "corpus": {"what": what, "files": len(files), "lines": lines, "rounds": rounds},
        "nnlint": done,
        "tools": [row.to_dict(large[0]) for row in large],
        "script": {"name": one.name, "lines": size, "rounds": script_rounds},
        "script_tools": [row.to_dict(small[1]) for row in small],
        "skipped": skipped,
        "profile": spent,
    }
    keep("static", result, quick, output)


if __name__ == "__main__":
    main()
