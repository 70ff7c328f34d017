"""Noise and power of the experiments: sound scripts under several seeds, and the same scripts with a bug.

    python benchmarks/noise.py                  every fixtures/clean script that runs here, five seeds each
    python benchmarks/noise.py --seeds 1 vae    one seed of the scripts whose names hold a word

A seed takes the place of the number in the script's own `manual_seed(…)`. No error and no warning may come of
a sound script. A twin is the script with one planted bug, where the script has the line for it; there the
expected finding must come. What was found goes to benchmarks/results/noise.json.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLEAN = HERE.parent / "fixtures" / "clean"
RESULTS = HERE / "results" / "noise.json"

_SEED = re.compile(r"manual_seed\(\d+\)")
# The bug, the line that it changes, what the line becomes, and what may be said of it.
TWINS = (
    (
        "sign",
        re.compile(r"^(\s*)loss\.backward\(\)", re.MULTILINE),
        r"\1(-loss).backward()",
        {"overfit-small-batch"},
    ),
    (
        "rate",
        re.compile(r"\blr=[\d.e-]+"),
        "lr=50.0",
        {"overfit-small-batch", "nan-inf-origin", "dead-update", "dead-units", "input-independent-baseline"},
    ),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One script under one seed: `bug` is empty for the sound one; `found` are errors and warnings."""

    script: str
    seed: int
    bug: str
    found: tuple[str, ...]
    skipped: tuple[str, ...]
    not_run: tuple[str, ...]
    seconds: float
    expected: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether it was silent, or the expected finding was among those that came."""
        return bool(set(self.expected) & set(self.found)) if self.bug else not self.found


def run(text: str, name: str, seed: int, bug: str = "", expected: tuple[str, ...] = ()) -> Run:
    """Examine a script of this text with all rules that are on by default; only what the run shows counts."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / f"{name}.py"
        script.write_text(_SEED.sub(f"manual_seed({seed})", text), encoding="utf-8")
        command = [sys.executable, "-m", "nnlint", "run", "--isolated", "--budget", "300"]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--output-format", "json", str(script)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    report = json.loads(done.stdout)
    found = {
        finding["name"]
        for finding in report["findings"]
        if finding["severity"] != "info" and finding["tier"] != "static"
    }
    skipped = tuple(f"{entry['what']}: {entry['why']}" for entry in report["skipped"])
    not_run = tuple(f"{entry['what']}: {entry['why']}" for entry in report["not_run"])
    return Run(name, seed, bug, tuple(sorted(found)), skipped, not_run, round(seconds, 1), expected)


def runs(seeds: int, words: list[str]) -> Iterator[Run]:
    """The sound script under each seed, and each twin that it has; scripts that do not run here are left."""
    for path in sorted(CLEAN.glob("*.py")):
        if words and not any(word in path.stem for word in words):
            continue
        text = path.read_text(encoding="utf-8")
        for seed in range(seeds):
            first = run(text, path.stem, seed)
            yield first
            if first.not_run:
                break
            for bug, line, becomes, expected in TWINS:
                twin, changed = line.subn(becomes, text)
                if changed and any("NNL903" in why for why in first.skipped):
                    # Nothing can be expected where the experiment does not apply.
                    continue
                if changed:
                    yield run(twin, path.stem, seed, bug, tuple(sorted(expected)))


def main() -> None:
    """Print a line a run and the sums; write all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    done: list[Run] = []
    for entry in runs(options.seeds, options.words):
        done.append(entry)
        said = ", ".join(entry.found) or (f"not run: {entry.not_run[0]}" if entry.not_run else "silent")
        print(
            f"{entry.script:28} seed {entry.seed} {entry.bug or 'sound':6} {entry.seconds:6.1f} s "
            f"{'ok   ' if entry.right else 'WRONG'} {said}",
            flush=True,
        )
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([asdict(other) for other in done], indent=1) + "\n", encoding="utf-8")
    for bug in ("", *(twin[0] for twin in TWINS)):
        of_kind = [entry for entry in done if entry.bug == bug and not entry.not_run]
        right = sum(entry.right for entry in of_kind)
        print(f"{bug or 'sound'}: {right} of {len(of_kind)} as expected")


if __name__ == "__main__":
    main()
