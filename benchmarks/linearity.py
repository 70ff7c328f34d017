"""Whether the time for a file grows with its length and no faster: one script repeated, 10 to 50,000 lines.

    python benchmarks/linearity.py
    python benchmarks/linearity.py --script FILE --longest 10000

CPU seconds in process, nnlint and libcst's bare parse of the same text.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import libcst as cst
from measure import keep, machine, sized
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nnlint.config import Config  # noqa: E402
from nnlint.engine import Linter  # noqa: E402

LENGTHS = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 50_000)


def repeated(lines: list[str], length: int) -> str:
    """The script as often as it fits, at least once or cut off."""
    if length < len(lines):
        return "\n".join(lines[:length]) + "\n"
    return ("\n".join(lines) + "\n") * (length // len(lines))


def seconds(action: Callable[[], object], times: int) -> float:
    """CPU seconds of the fastest try."""
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        action()
        best = min(best, time.process_time() - started)
    return best


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.option("--script", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None)
@click.option("--longest", default=LENGTHS[-1], show_default=True, help="Lines of the longest text.")
@sized
def main(script: Path | None, longest: int, quick: bool, output: Path | None) -> None:
    longest = min(longest, 10_000) if quick else longest
    script = script or next(iter(sorted((ROOT / "fixtures" / "clean").glob("*mnist*.py"))))
    lines = script.read_text(encoding="utf-8").splitlines()
    linter = Linter.load(Config())
    linter.check_text("\n".join(lines))  # the rules are imported here
    table = Table("lines", "nnlint s", "µs a line", "parse s", "nnlint / parse", title=script.name)
    rows = []
    for length in (length for length in LENGTHS if length <= longest):
        text = repeated(lines, length)
        times, count = 5 if length <= 1_000 else 1, len(text.splitlines())
        own = seconds(lambda text=text: linter.check_text(text), times)  # type: ignore[misc]
        parse = seconds(lambda text=text: cst.parse_module(text), times)  # type: ignore[misc]
        rows.append({"lines": count, "nnlint": round(own, 4), "parse": round(parse, 4)})
        table.add_row(
            f"{count:,}", f"{own:.3f}", f"{own / count * 1e6:.0f}", f"{parse:.3f}", f"{own / parse:.2f}"
        )
    Console().print(table)
    keep("linearity", {"machine": machine(), "script": script.name, "cpu_seconds": rows}, quick, output)


if __name__ == "__main__":
    main()
