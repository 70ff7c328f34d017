"""CPU seconds, wall seconds and peak memory of whole processes, children included; and where figures go."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

RESULTS = Path(__file__).parent / "results"
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Run:
    """One process from start to end. `error` is empty when its status was an expected one."""

    cpu: float
    wall: float
    peak_mb: float
    error: str = ""


@dataclass(frozen=True)
class Spread:
    """The middle and both ends of some repeated figure."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def show(self, digits: int = 2) -> str:
        if self.low == self.high:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"

    def to_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def run(command: Sequence[str], expected: frozenset[int], folder: Path) -> Run:
    """Run the command once; its output goes nowhere, its complaint is kept if it fails."""
    with tempfile.TemporaryFile() as complaint:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaint
        )
        # Unlike resource.getrusage(RUSAGE_CHILDREN), this speaks of one child and its own children.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        error = ""
        if process.returncode not in expected:
            complaint.seek(0)
            lines = complaint.read().decode(errors="replace").strip().splitlines() or ["no message"]
            error = f"status {process.returncode}: {lines[-1][:160]}"
    per_mb = 1024 * 1024 if platform.system() == "Darwin" else 1024
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / per_mb, error)


def sized(command: _Command) -> _Command:
    """--quick and --output, which every benchmark has."""
    command = click.option(
        "--output", type=click.Path(path_type=Path), help="Where to keep the figures.  [default: results/]"
    )(command)
    return click.option("--quick", is_flag=True, help="Few rounds of little; kept where --output says.")(
        command
    )


def keep(name: str, content: Mapping[str, object], quick: bool, output: Path | None) -> None:
    """Write the figures of a benchmark; those of a quick run only where that was asked for."""
    if output is None and not quick:
        output = RESULTS / f"{name}.json"
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }
