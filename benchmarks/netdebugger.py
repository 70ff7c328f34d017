"""NetDebugger and nnlint on the same models and data: verdict and time side by side.

    python benchmarks/netdebugger.py path/to/nndebugger     the models of its test suite
    python benchmarks/netdebugger.py                        small data, nnlint alone

The checkout is of github.com/rishigurnani/nndebugger, and needs pandas, rdkit, scikit-learn, torch_geometric.
Each of its tests runs in a process of its own, as `nnlint run` does; times include starting Python.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Its test, the class list or trainer that it is about, whether all is well, and what may be said if not.
SHAPE = frozenset({"loss-broadcast", "output-shape"})
LEARNS = frozenset({"input-independent-baseline", "step-order", "missing-backward", "overfit-small-batch"})
OVERFITS = frozenset({"overfit-small-batch", "vanishing-exploding-gradient", "dead-units"})
MIXES = frozenset({"chart-dependencies", "cross-batch"})


@dataclass(frozen=True, slots=True)
class Case:
    """One of NetDebugger's tests on one model."""

    test: str
    model: str
    trainer: str
    sound: bool
    rules: frozenset[str]


CASES = (
    Case("test_output_shape", "MyNet", "trainer", True, SHAPE),
    Case("test_output_shape", "BuggyNet1", "trainer", False, SHAPE),
    Case("test_input_independent_baseline", "MyNet", "trainer", True, LEARNS),
    Case("test_input_independent_baseline", "MyNet", "buggy_trainer", False, LEARNS),
    Case("test_overfit_small_batch", "MyNet", "trainer", True, OVERFITS),
    Case("test_overfit_small_batch", "BuggyNet2", "trainer", False, OVERFITS),
    Case("chart_dependencies", "GraphNet1", "trainer", True, MIXES),
    Case("chart_dependencies", "BuggyGraphNet1", "trainer", False, MIXES),
)

# The data, models and trainers are the repository's own; so is how they are put together (tests/test_*.py).
PREPARE = """
import random, sys, warnings
import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data
sys.path.insert(0, {checkout!r})
warnings.simplefilter("ignore")
from nndebugger import constants, dl_debug, loss
from tests import utils_test
frame = pd.read_csv({checkout!r} + "/data/export.csv", index_col=0)
model_name, graphs = {model!r}, "Graph" in {model!r}
if graphs:
    from rdkit import Chem
    np.random.seed(constants.RANDOM_SEED)
    atoms = {{"C": np.eye(4)[0], "O": np.eye(4)[1], "N": np.eye(4)[2], "Cl": np.eye(4)[3]}}
    chosen = frame.loc[frame.sample(n=4).index]
    most = max(Chem.MolFromSmiles(smiles).GetNumAtoms() for smiles in chosen.smiles)
    rows = [utils_test.featurize_smiles_by_atom(smiles, atoms, most, 4) for smiles in chosen.smiles]
    data = [
        Data(x=torch.tensor(row, dtype=torch.float), y=torch.tensor(value, dtype=torch.float))
        for row, value in zip(rows, chosen.value)
    ]
    make = lambda: getattr(utils_test, model_name)(100, 1, 3, 4, most)
else:
    from sklearn.model_selection import train_test_split
    rows = np.stack([utils_test.featurize_smiles(smiles, 512) for smiles in frame.smiles]).astype(float)
    tests = int(np.floor(len(frame) * constants.TRAIN_FRAC))
    rows, _, values, _ = train_test_split(
        rows, frame.value.values.tolist(), test_size=tests, shuffle=True, random_state=constants.RANDOM_SEED
    )
    data = [
        Data(x=torch.tensor(row, dtype=torch.float).view(1, 512), y=torch.tensor(value, dtype=torch.float))
        for row, value in zip(rows, values)
    ]
    make = lambda: getattr(utils_test, model_name)(512, 1, 3)
trainer, device, loss_fn = utils_test.{trainer}, torch.device("cpu"), loss.st_loss()
torch.manual_seed(constants.RANDOM_SEED)
"""

NETDEBUGGER = (
    PREPARE
    + """
zeroed = None if graphs else [Data(x=torch.zeros((1, 512)), y=row.y) for row in data]
session = dl_debug.DebugSession(
    [make] * 3, "gnn" if graphs else "mlp", [1, 2, 3], data, zeroed, loss_fn, device, trainer=trainer
)
result = session.{test}()[0]
print("VERDICT", bool(result))
"""
)

NNLINT = (
    PREPARE
    + """
trainer(make(), data, {batch}, 0.001, 25, device, loss_fn)
"""
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict ("sound", "bug: …", or why there is none) and the seconds it took."""

    verdict: str
    seconds: float


def netdebugger(case: Case, checkout: Path) -> Outcome:
    """NetDebugger's own verdict."""
    code = NETDEBUGGER.format(checkout=str(checkout), model=case.model, trainer=case.trainer, test=case.test)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    line = next((line for line in done.stdout.splitlines() if line.startswith("VERDICT")), "")
    if not line:
        return Outcome(f"failed: {done.stderr.strip().splitlines()[-1:]}", seconds)
    return Outcome("sound" if line.endswith("True") else "bug", seconds)


def nnlint(script: Path, *arguments: str, rules: frozenset[str] | None = None) -> Outcome:
    """What `nnlint run` says: every error and warning, or of some rules only."""
    command = [
        sys.executable,
        "-m",
        "nnlint",
        "run",
        "--isolated",
        "--budget",
        "600",
        "--output-format",
        "json",
        str(script),
    ]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, *arguments], cwd=script.parent, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return Outcome(f"failed: {done.stderr.strip()[-200:]}", seconds)
    names = sorted(
        {
            finding["name"]
            for finding in report["findings"]
            if finding["severity"] != "info" and (rules is None or finding["name"] in rules)
        }
    )
    if names:
        return Outcome(f"bug: {', '.join(names)}", seconds)
    return Outcome("sound", seconds) if not report["not_run"] else Outcome(str(report["not_run"]), seconds)


def polymers(checkout: Path) -> list[tuple[Case, Outcome, Outcome]]:
    """Every case by both tools, one after the other."""
    found = []
    for case in CASES:
        theirs = netdebugger(case, checkout)
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "train.py"
            batch = 4 if "Graph" in case.model else 124
            script.write_text(
                NNLINT.format(checkout=str(checkout), model=case.model, trainer=case.trainer, batch=batch),
                encoding="utf-8",
            )
            ours = nnlint(script)
        found.append((case, theirs, ours))
        _show(case, theirs, ours)
    return found


def small() -> list[tuple[str, bool, Outcome]]:
    """Models with the same bugs on data that need nothing but torch, by nnlint alone."""
    return [
        (bug or "none", bug == "", nnlint(HERE / "small_polymers.py", "--bug", bug))
        for bug in ("", "shape", "input", "rate", "mixing")
    ]


def _show(case: Case, theirs: Outcome, ours: Outcome) -> None:
    truth = "sound" if case.sound else "bug"
    print(
        f"{case.test:34} {case.model:15} {case.trainer:14} {truth:6} | "
        f"{theirs.verdict:8} {theirs.seconds:6.1f} s | {ours.verdict} {ours.seconds:.1f} s",
        flush=True,
    )


def main() -> None:
    """Print a line a case, and the sums."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", nargs="?", type=Path)
    checkout = parser.parse_args().checkout
    if checkout is None:
        for bug, sound, ours in small():
            right = (ours.verdict == "sound") == sound
            print(
                f"bug: {bug:8} {ours.verdict} {ours.seconds:.1f} s {'right' if right else 'WRONG'}",
                flush=True,
            )
        return
    found = polymers(checkout.resolve())
    for name, outcomes in (("NetDebugger", [row[1] for row in found]), ("nnlint", [row[2] for row in found])):
        correct = sum(
            (outcome.verdict == "sound") == case.sound and not outcome.verdict.startswith(("failed", "["))
            for (case, *_), outcome in zip(found, outcomes, strict=True)
        )
        print(
            f"{name}: {correct} of {len(found)} right in {sum(outcome.seconds for outcome in outcomes):.0f} s"
        )


if __name__ == "__main__":
    main()
