"""Noise and power of the experiments: sound scripts under several seeds, and the same scripts with a bug.

    python benchmarks/noise.py --seeds 5 --bugs none          sound scripts only
    python benchmarks/noise.py --seeds 1 --bugs all vae       one seed of the scripts whose names hold a word

A seed takes the place of the number in the script's own `manual_seed(…)`. No error and no warning may come of
a sound script (fixtures/clean). A twin is the script with one planted bug, where the script has the line for
it; there one of the expected findings must come. Of a twin's experiments those are done first whose rules see
the bug soonest, as with `nnlint run --select … --only …`: that takes a fraction of the time. Where they find
nothing all are done, so that a miss is always one of a whole run; `whole` says which it was, and `--whole`
does all at once. Silence where an experiment was cut short by its time shows nothing, and is counted apart.
What is done is kept in benchmarks/results/noise.json with the commit, and not done again (`--again`); seconds
are those of the processor, of all processes. Scripts begin in forks of a process with torch imported, as in
the tests.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import psutil

from nnlint.capture import supervise
from nnlint.capture.plan import Request
from nnlint.chosen import used_by
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.experiments.loops import SHORT
from nnlint.finding import Severity, Tier

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from warm import Warm  # noqa: E402

CLEAN = HERE.parent / "fixtures" / "clean"
RESULTS = HERE / "results" / "noise.json"

_SEED = re.compile(r"manual_seed\(\d+\)")
_MODEL = r"(?<![\w.])((?:self\.)?(?:model|net|student))"
_CALL = re.compile(_MODEL + r"\(((?!batch\b)[a-z_]\w*(?:\.to\(\w+\))?)\)")
_BACKWARD = re.compile(r"^(\s*)((?!scaler)[\w.]+(?:\(.*\))?|\(loss / \w+\))\.backward\(\)", re.MULTILINE)
_OPTIMIZER = re.compile(
    r"^(\s*)([\w.]*opt\w* = (?:[\w.]*\.)?(?:SGD|Adam|AdamW|RMSprop)\()" + _MODEL + r"\.parameters\(\)(.*)$",
    re.MULTILINE,
)
# The second of a forward's two inputs, where that is a tensor with an entry a sample.
_TWO = re.compile(
    r"def forward\(self, (\w+), ((?!edge_index|hidden|lengths|labels|targets)\w+)\):\n(\s+)(?=\w)"
)
_NEVER_LEARNT = frozenset(
    {"overfit-small-batch", "dead-update", "input-independent-baseline", "simple-baseline"}
)


@dataclass(frozen=True, slots=True)
class Bug:
    """What changes a script's text (to the same text where it has no line for it), and what may be said."""

    plant: Callable[[str], str]
    expected: frozenset[str]
    # Of those expected, the rules that see it soonest.
    first: tuple[str, ...]


def _dead(text: str) -> str:
    if "relu" not in text.lower():
        return text
    biases = r"[_b.data.fill_(-1e3) for _n, _b in \3.named_parameters() if _n.endswith('bias')]"
    return _OPTIMIZER.sub(rf"\1{biases}\n\g<0>", text, count=1)


BUGS = {
    "sign": Bug(
        lambda text: _BACKWARD.sub(r"\1(-\2).backward()", text),
        frozenset({"overfit-small-batch"}),
        ("overfit-small-batch",),
    ),
    "rate": Bug(
        lambda text: re.sub(r"\blr=[\d.e-]+", "lr=50.0", text),
        _NEVER_LEARNT
        | {
            "nan-inf-origin",
            "dead-units",
            "suspicious-learning-rate",
            "vanishing-exploding-gradient",
        },
        ("dead-update", "dead-units", "nan-inf-origin", "vanishing-exploding-gradient"),
    ),
    "no input": Bug(
        lambda text: _CALL.sub(r"\1(\2 * 0)", text),
        _NEVER_LEARNT | {"unnormalised-input"},
        ("input-independent-baseline", "overfit-small-batch"),
    ),
    "input scale": Bug(
        # Normalisation takes the scale out again, and is then no bug.
        lambda text: text if "Norm" in text else _CALL.sub(r"\1(\2 * 1e5)", text),
        _NEVER_LEARNT | {"unnormalised-input", "nan-inf-origin", "loss-not-chance-at-init", "dead-units"},
        ("unnormalised-input", "loss-not-chance-at-init"),
    ),
    "loss scale": Bug(
        lambda text: _BACKWARD.sub(r"\1(\2 * 1e-14).backward()", text),
        _NEVER_LEARNT | {"vanishing-exploding-gradient", "suspicious-learning-rate"},
        ("dead-update", "vanishing-exploding-gradient"),
    ),
    "dead units": Bug(_dead, _NEVER_LEARNT | {"dead-units", "loss-not-chance-at-init"}, ("dead-units",)),
    "argument": Bug(
        lambda text: _TWO.sub(r"\g<0>\2 = \2[:1].expand_as(\2)\n\3", text),
        frozenset({"unused-parameters", "chart-dependencies", "cross-batch"}),
        ("unused-parameters", "chart-dependencies"),
    ),
    "copies optimised": Bug(
        lambda text: _OPTIMIZER.sub(
            r"\1\2[_p.detach().clone().requires_grad_() for _p in \3.parameters()]\4", text
        ),
        _NEVER_LEARNT | {"optimizer-misses-parameters", "everything-frozen", "exhausted-group"},
        ("optimizer-misses-parameters", "everything-frozen", "dead-update"),
    ),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One script under one seed: `bug` is empty for the sound one; `found` are errors and warnings."""

    script: str
    seed: int
    bug: str
    seconds: float
    found: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
    # Experiments that time has cut short, and the commit of nnlint.
    cut: tuple[str, ...] = ()
    commit: str = ""
    whole: bool = True

    @property
    def reached(self) -> bool:
        """Whether there was a first training step."""
        return not any(why.startswith("first training step") for why in self.not_run)

    @property
    def right(self) -> bool:
        """Whether it was silent, or an expected finding was among those that came."""
        return not BUGS[self.bug].expected.isdisjoint(self.found) if self.bug else not self.found

    @property
    def verdict(self) -> str:
        """ "ok", "WRONG", or "cut": nothing was found, and time may be why."""
        if not self.found and self.cut:
            return "cut"
        return "ok" if self.right else "WRONG"

    def line(self) -> str:
        """For people."""
        said = ", ".join(self.found) or (f"not run: {self.not_run[0]}" if self.not_run else "silent")
        return (
            f"{self.script:28} seed {self.seed} {self.bug or 'sound':16} {self.seconds:6.1f} s "
            f"{self.verdict:5} {said}{'' if self.whole else ' (first experiments)'}"
        )


def run(script: str, seed: int, bug: str, budget: float, *, whole: bool = False) -> Run:
    """Examine a script with rules that are on by default; only what a run shows counts."""
    text = (CLEAN / f"{script}.py").read_text(encoding="utf-8")
    text = BUGS[bug].plant(text) if bug else text
    text = _SEED.sub(f"manual_seed({seed})", text)
    before = _worked()
    done = None
    if bug and not whole:
        rules = BUGS[bug].first
        used = {name for rule in Linter.load(Config(select=rules)).rules for name in used_by(rule)}
        done = _examined(text, Config(select=rules), tuple(sorted(used)), budget)
    whole = done is None or BUGS[bug].expected.isdisjoint(done[0])
    found, skipped, not_run, cut = _examined(text, Config(), (), budget) if done is None or whole else done
    seconds = round(_worked() - before, 1)
    return Run(script, seed, bug, seconds, found, skipped, not_run, cut, COMMIT, whole)


_Seen = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _examined(text: str, config: Config, only: tuple[str, ...], budget: float) -> _Seen:
    """What is found in a script, skipped, not run and cut short."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path("train.py")
        path.write_text(text, encoding="utf-8")
        report, seen = examine(Linter.load(config), Request(path.name, seconds=budget), only=only)
        os.chdir(HERE)
    found = {
        finding.name
        for finding in report.findings
        if finding.severity is not Severity.INFO and finding.tier is not Tier.STATIC
    }
    skipped, not_run = (
        tuple(f"{entry.what}: {entry.why}" for entry in entries)
        for entries in (report.skipped, report.not_run)
    )
    cut = tuple(
        name
        for name, trajectory in seen.trajectories.items()
        # Of short epochs there is always more.
        if trajectory.ended == "seconds" and name != SHORT.name
    )
    late = tuple(why for why in not_run if "seconds" in why)
    return tuple(sorted(found)), skipped, not_run, (*cut, *late)


def _commit() -> str:
    """That of nnlint and the scripts, and whether they have changed since."""
    git = ["git", "-C", str(HERE.parent)]
    changed = ["status", "--porcelain", "--", "nnlint", "rules", "fixtures", "benchmarks/noise.py"]
    head, dirty = (
        subprocess.run([*git, *command], capture_output=True, text=True, check=False).stdout.strip()
        for command in (["rev-parse", "--short", "HEAD"], changed)
    )
    return f"{head}-dirty" if dirty else head


COMMIT = _commit()


def _begin() -> None:
    """In the process that examines: what it starts begins with torch imported."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    supervise._launched = Warm().launched


def _worked() -> float:
    """The processor's seconds of this process, of those it has waited for, and of those that it keeps."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    kept = [child.cpu_times() for child in psutil.Process().children()]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(
        times.user + times.system + times.children_user + times.children_system for times in kept
    )


def wanted(words: tuple[str, ...], seeds: int, bugs: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    """Script, seed and bug of each run: all scripts under one seed before the next seed."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(CLEAN.glob("*.py"))}
    for seed in range(seeds):
        for bug in bugs:
            for script, text in texts.items():
                if words and script not in words and not any(word in script for word in words):
                    continue
                if not bug or BUGS[bug].plant(text) != text:
                    yield script, seed, bug


def _kept(entry: Run) -> dict[str, object]:
    """What is worth keeping of a run; why an experiment was skipped, of a twin only where that was missed."""
    plain = asdict(entry)
    if entry.bug and entry.right:
        del plain["skipped"], plain["not_run"]
    return {key: value for key, value in plain.items() if value not in ((), "")} | {"bug": entry.bug}


def summary(done: list[Run]) -> str:
    """A line a bug: how many runs ended as expected, of those that could be run."""
    lines = []
    for bug in ("", *BUGS):
        of_kind = [entry for entry in done if entry.bug == bug and entry.reached]
        decided = [entry for entry in of_kind if entry.verdict != "cut"]
        right = sum(entry.right for entry in decided)
        scripts = len({entry.script for entry in of_kind})
        cut = f", {len(of_kind) - len(decided)} cut short" if len(decided) < len(of_kind) else ""
        lines.append(f"{bug or 'sound'}: {right} of {len(decided)} as expected ({scripts} scripts{cut})")
    twins = Counter((entry.bug, entry.script) for entry in done if entry.bug and entry.reached)
    named = Counter((entry.bug, entry.script) for entry in done if entry.bug and entry.right)
    tenths = [key for key, of in twins.items() if 10 * named[key] >= 9 * of]
    lines.append(f"{len(tenths)} of {len(twins)} twins named in nine of ten seeds, or more")
    lines += [
        f"{bug}, {script}: {named[bug, script]} of {of}"
        for (bug, script), of in twins.items()
        if (bug, script) not in tenths
    ]
    sound = [entry for entry in done if not entry.bug and entry.reached]
    for code in sorted(
        {why.split()[1] for entry in sound for why in entry.skipped if why.startswith("rule ")}
    ):
        without = sum(any(f" {code} " in why for why in entry.skipped) for entry in sound)
        lines.append(f"{code} had something to judge in {len(sound) - without} of {len(sound)} sound runs")
    for commit in sorted({entry.commit for entry in done}):
        of_commit = sum(entry.commit == commit for entry in done)
        lines.append(f"{of_commit} runs on {commit or 'an earlier commit'}")
    return "\n".join(lines)


@click.command()
@click.argument("words", nargs=-1)
@click.option("--seeds", default=5, show_default=True)
@click.option("--bugs", default="all", help=f"none, all, or some of {', '.join(BUGS)}, with commas.")
@click.option("--jobs", default=1, show_default=True)
@click.option("--budget", default=600.0, show_default=True)
@click.option("--again", is_flag=True, help="Also what has been done already.")
@click.option("--whole", is_flag=True, help="All experiments of twins, too, at once.")
def main(
    words: tuple[str, ...], seeds: int, bugs: str, jobs: int, budget: float, again: bool, whole: bool
) -> None:
    """Print a line a run and the sums; write all of it."""
    chosen = {"none": ("",), "all": ("", *BUGS)}.get(bugs) or tuple(bugs.split(","))
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"] if RESULTS.exists() else []
    fields = [
        {
            **entry,
            **{key: tuple(entry[key]) for key in ("found", "skipped", "not_run", "cut") if key in entry},
        }
        for entry in known
    ]
    done = {(entry["script"], entry["seed"], entry["bug"]): Run(**entry) for entry in fields}
    todo = [key for key in wanted(words, seeds, chosen) if again or key not in done]
    with ProcessPoolExecutor(jobs, initializer=_begin) as pool:
        for future in as_completed([pool.submit(run, *key, budget, whole=whole) for key in todo]):
            entry = future.result()
            done[entry.script, entry.seed, entry.bug] = entry
            click.echo(entry.line())
            RESULTS.parent.mkdir(exist_ok=True)
            # A line a run.
            runs = ",\n".join(json.dumps(_kept(done[key])) for key in sorted(done))
            sums = json.dumps(summary([*done.values()]).splitlines(), indent=1)
            RESULTS.write_text(f'{{"summary": {sums},\n"runs": [\n{runs}\n]}}\n', encoding="utf-8")
    click.echo(summary([*done.values()]))


if __name__ == "__main__":
    main()
