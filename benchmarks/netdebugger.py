"""NetDebugger and nnlint on the same models and data: verdict and time side by side.

    python benchmarks/netdebugger.py path/to/nndebugger     the models of its test suite
    python benchmarks/netdebugger.py                        small data, nnlint alone

The checkout is of github.com/rishigurnani/nndebugger, and needs pandas, rdkit, scikit-learn, torch_geometric
and pytest. NetDebugger's side is its own test suite as it stands, in one process: each of its tests says that
one of its checks passes, or fails, on a model, and passes where the check is right. nnlint's is one process,
too, in which `nnlint.audit_training` calls the suite's trainer with each of these models, for the rules that
answer what NetDebugger is asked about it. Times include
starting Python: by the clock, and of the processor, which other work on the machine changes less (with
OMP_NUM_THREADS=1: threads that wait for one another on a busy machine burn its time). Both prepare the data,
NetDebugger's suite once a test and nnlint's once; preparing it alone is timed too. Results go to
benchmarks/results/netdebugger.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "netdebugger.json"


@dataclass(frozen=True, slots=True)
class Case:
    """A model and trainer of NetDebugger's suite, its tests of them, and the rules that name what is wrong.

    Without such rules all is well, and nnlint must find nothing.
    """

    model: str
    trainer: str
    asked: tuple[str, ...]
    tests: tuple[str, ...]
    rules: frozenset[str] = frozenset()


# The rules that answer each of NetDebugger's questions.
ANSWERS = {
    "output shape": ("output-shape", "loss-broadcast"),
    "baseline": ("input-independent-baseline", "everything-frozen"),
    "small batch": ("overfit-small-batch", "vanishing-exploding-gradient"),
    "dependencies": ("chart-dependencies",),
}
# What NetDebugger does not do: a recording of the first step, and a search for loops that train later on.
WITHOUT = ("graph", "later")

CASES = (
    Case(
        "MyNet",
        "trainer",
        ("output shape", "baseline", "small batch"),
        ("test_output_shape_pass", "test_input_independent_baseline_pass", "test_overfit_small_batch_pass"),
    ),
    Case(
        "BuggyNet1",
        "trainer",
        ("output shape",),
        ("test_output_shape_fail",),
        frozenset({"loss-broadcast", "output-shape"}),
    ),
    Case(
        "MyNet",
        "buggy_trainer",
        ("baseline",),
        ("test_input_independent_baseline_fail",),
        frozenset({"step-order", "everything-frozen"}),
    ),
    # Sigmoids between its layers: it learns, but too slowly for the epochs that NetDebugger gives it.
    Case(
        "BuggyNet2",
        "trainer",
        ("small batch",),
        ("test_overfit_small_batch_fail",),
        frozenset({"overfit-small-batch", "vanishing-exploding-gradient"}),
    ),
    Case("GraphNet1", "trainer", ("dependencies",), ("test_chart_dependencies_pass",)),
    Case(
        "BuggyGraphNet1",
        "trainer",
        ("dependencies",),
        ("test_chart_dependencies_fail",),
        frozenset({"chart-dependencies", "cross-batch"}),
    ),
)

# Every model of the suite leaves out the activation between its last two layers (`n_hidden - 1` counts one
# too few), which no test of NetDebugger looks for and nobody planted; to say so is right.
BESIDES = frozenset({"linear-stack"})

# The data, models and trainers are the repository's own; so is how they are put together (tests/test_*.py).
PREPARE = """
import random, sys, warnings
import numpy as np
import pandas as pd
import torch
from rdkit import Chem
from sklearn.model_selection import train_test_split
from torch_geometric.data import Data
sys.path.insert(0, {checkout!r})
warnings.simplefilter("ignore")
from nndebugger import constants, dl_debug, loss
from tests import utils_test
frame = pd.read_csv({checkout!r} + "/data/export.csv", index_col=0)
np.random.seed(constants.RANDOM_SEED)
atoms = {{"C": np.eye(4)[0], "O": np.eye(4)[1], "N": np.eye(4)[2], "Cl": np.eye(4)[3]}}
chosen = frame.loc[frame.sample(n=4).index]
most = max(Chem.MolFromSmiles(smiles).GetNumAtoms() for smiles in chosen.smiles)
rows = [utils_test.featurize_smiles_by_atom(smiles, atoms, most, 4) for smiles in chosen.smiles]
graphs = [
    Data(x=torch.tensor(row, dtype=torch.float), y=torch.tensor(value, dtype=torch.float))
    for row, value in zip(rows, chosen.value)
]
rows = np.stack([utils_test.featurize_smiles(smiles, 512) for smiles in frame.smiles]).astype(float)
tests = int(np.floor(len(frame) * constants.TRAIN_FRAC))
rows, _, values, _ = train_test_split(
    rows, frame.value.values.tolist(), test_size=tests, shuffle=True, random_state=constants.RANDOM_SEED
)
rows = [
    Data(x=torch.tensor(row, dtype=torch.float).view(1, 512), y=torch.tensor(value, dtype=torch.float))
    for row, value in zip(rows, values)
]
"""

NNLINT = (
    PREPARE
    + """
import json, resource, time
import nnlint
torch.set_num_threads(1)
def worked():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
def train(model_name, trainer):
    torch.manual_seed(constants.RANDOM_SEED)
    shape, data, batch = (512, 1, 3), rows, 124
    if "Graph" in model_name:
        shape, data, batch = (100, 1, 3, 4, most), graphs, 4
    model = getattr(utils_test, model_name)(*shape)
    getattr(utils_test, trainer)(model, data, batch, 0.001, 25, torch.device("cpu"), loss.st_loss())
for model_name, trainer, select in {cases!r}:
    began, before = time.perf_counter(), worked()
    report = nnlint.audit_training(
        lambda: train(model_name, trainer), select=select, skip={without!r}, seconds=600
    )
    grave = [entry for entry in report.findings if entry.severity != nnlint.Severity.INFO]
    names = sorted({{entry.name for entry in grave}})
    failure = "" if names else "; ".join(f"{{entry.what}}: {{entry.why}}" for entry in report.not_run)
    skipped = [f"{{entry.what}}: {{entry.why}}" for entry in report.skipped]
    print(json.dumps([names, failure, time.perf_counter() - began, worked() - before, skipped]), flush=True)
"""
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool said is wrong (failing tests, or rules), whether that is right, and what it took."""

    said: tuple[str, ...]
    right: bool
    failure: str
    seconds: float
    worked: float
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = self.failure or ", ".join(self.said) or "sound"
        return f"{'right' if self.right else 'WRONG'} {self.worked:5.1f} s ({self.seconds:.0f} s): {said}"


def _timed(command: Sequence[str], folder: Path) -> tuple[subprocess.CompletedProcess[str], float, float]:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done, time.perf_counter() - started, worked


def netdebugger(checkout: Path) -> tuple[set[str], float, float]:
    """Its suite but for what needs no model: the tests that pass, and the seconds."""
    tests = [test for case in CASES for test in case.tests]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rA",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        " or ".join(tests),
    ]
    done, seconds, worked = _timed([*command, "tests"], checkout)
    lines = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    return {line.partition("::")[2] for line in lines}, seconds, worked


def nnlint(script: Path, expected: frozenset[str], *arguments: str) -> Outcome:
    """What `nnlint run` says: every error and warning."""
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
    ]
    done, seconds, worked = _timed([*command, str(script), *arguments], script.parent)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return Outcome((), False, f"failed: {done.stderr.strip()[-200:]}", seconds, worked)
    names = tuple(
        sorted({finding["name"] for finding in report["findings"] if finding["severity"] != "info"})
    )
    failure = "" if names or not report["not_run"] else str(report["not_run"])
    right = not failure and (not expected.isdisjoint(names) if expected else BESIDES.issuperset(names))
    return Outcome(names, right, failure, seconds, worked)


def prepared(checkout: Path) -> float:
    """The processor's seconds for reading the data."""
    code = PREPARE.format(checkout=str(checkout))
    return _timed([sys.executable, "-W", "ignore", "-c", code], checkout)[2]


def polymers(checkout: Path) -> tuple[list[Outcome], float, float]:
    """Every case by nnlint, and the seconds of all of it."""
    cases = [
        (case.model, case.trainer, [rule for question in case.asked for rule in ANSWERS[question]])
        for case in CASES
    ]
    code = NNLINT.format(checkout=str(checkout), cases=cases, without=WITHOUT)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "audits.py"
        script.write_text(code, encoding="utf-8")
        done, seconds, worked = _timed([sys.executable, "-W", "ignore", str(script)], script.parent)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    if len(lines) < len(CASES):
        sys.exit(f"nnlint's side failed: {done.stderr.strip()[-500:]}")
    found = []
    for case, (names, failure, took, own, skipped) in zip(CASES, lines, strict=True):
        right = not failure and (
            not case.rules.isdisjoint(names) if case.rules else BESIDES.issuperset(names)
        )
        found.append(Outcome(tuple(names), right, failure, took, own, tuple(skipped)))
        print(f"{case.model} {case.trainer}: {found[-1]}", flush=True)
    return found, seconds, worked


# What is planted in small_polymers.py, and which rules name it.
SMALL = {
    "": frozenset[str](),
    "shape": frozenset({"loss-broadcast"}),
    "input": frozenset({"input-independent-baseline", "dead-update"}),
    "rate": frozenset({"overfit-small-batch"}),
    "mixing": frozenset({"chart-dependencies", "cross-batch"}),
}


def main() -> None:
    """Print a line a case, and the sums."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", nargs="?", type=Path)
    options = parser.parse_args()
    if options.checkout is None:
        for bug, expected in SMALL.items():
            outcome = nnlint(HERE / "small_polymers.py", expected, "--bug", bug)
            print(f"bug: {bug or 'none':8} {outcome}", flush=True)
        return
    checkout = options.checkout.resolve()
    passed, seconds, worked = netdebugger(checkout)
    tests = [test for case in CASES for test in case.tests]
    print(f"NetDebugger: {len(passed)} of {len(tests)} right, {worked:.1f} s ({seconds:.0f} s)", flush=True)
    found, our_seconds, our_worked = polymers(checkout)
    preparing = round(prepared(checkout), 1)
    theirs = {
        "right": sum(passed.issuperset(case.tests) for case in CASES),
        "of": len(CASES),
        "processor seconds": round(worked, 1),
        "seconds": round(seconds, 1),
    }
    ours = {
        "right": sum(outcome.right for outcome in found),
        "of": len(found),
        "processor seconds": round(our_worked, 1),
        "seconds": round(our_seconds, 1),
    }
    print("preparing the data", preparing, "NetDebugger", theirs, "nnlint", ours, sep="\n")
    cases = [
        {
            **asdict(case),
            "rules": sorted(case.rules),
            "NetDebugger": passed.issuperset(case.tests),
            "nnlint": asdict(outcome),
        }
        for case, outcome in zip(CASES, found, strict=True)
    ]
    sums = {"NetDebugger": theirs, "nnlint": ours}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({"preparing": preparing, "sums": sums, "cases": cases}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
