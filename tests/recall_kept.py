"""`python tests/recall_kept.py`: how many planted bugs each rule found when they were last counted.

`recall.py --keep` and `recall_runs.py --keep` write their figures to benchmarks/results/recall.json, rule by
rule, with the commit that they were taken on; this prints them, the lowest first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from support import CHECKOUT

KEPT = CHECKOUT / "benchmarks" / "results" / "recall.json"


def keep(kind: str, name: str, mutants: int, found: int, placed: int) -> None:
    """Write the figures of one rule; `kind` is how it was asked, "source" or "runs"."""
    kept = load()
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    entry: dict[str, int | str] = {"mutants": mutants, "found": found, "placed": placed}
    entry["commit"] = done.stdout.strip()
    kept.setdefault(kind, {})[name] = entry
    ordered = {part: dict(sorted(rules.items())) for part, rules in sorted(kept.items())}
    KEPT.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def load() -> dict[str, dict[str, dict[str, int | str]]]:
    """The figures, by how they were taken and by rule."""
    found: dict[str, dict[str, dict[str, int | str]]] = {}
    if KEPT.is_file():
        found = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def lines() -> Iterator[str]:
    """Both tables."""
    for kind, rules in load().items():
        counted = {name: (int(entry["found"]), int(entry["mutants"])) for name, entry in rules.items()}
        found, mutants = (sum(pair[at] for pair in counted.values()) for at in (0, 1))
        enough = sum(10 * seen >= 9 * planted for seen, planted in counted.values())
        yield f"{kind}: {found} of {mutants} found; {enough} of {len(counted)} rules at 90 % or more"
        for name, (seen, planted) in sorted(
            counted.items(), key=lambda item: (item[1][0] / item[1][1], item)
        ):
            yield f"  {name:32} {seen:3} of {planted:3}  {seen / planted:.0%}  {rules[name]['commit']}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
