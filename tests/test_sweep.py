"""Many files: the same report whoever looks at them, whoever dies, and however they are shared out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import CHECKOUT

from nnlint import pool, sweep
from nnlint.cache import Cache
from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.file_result import FileResult
from nnlint.finding import Report
from nnlint.fixer import Fixer
from nnlint.pool import Lost, spread
from nnlint.shard import Shard

BUG = "import torch\nx = torch.softmax(y)\n"


def _double(number: int) -> int:
    return 2 * number


def _fragile(number: int) -> int:
    if number % 10 == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number % 10 == 7:
        os._exit(5)
    return 2 * number


_HELD: list[bytearray] = []


def _greedy(number: int) -> tuple[int, int]:
    _HELD.append(bytearray(30 << 20))
    return number, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2, 5, 50])
def test_results_come_in_order(jobs: int) -> None:
    assert list(spread(_double, range(23), jobs)) == list(range(0, 46, 2))


def test_a_process_that_dies_costs_what_it_was_at() -> None:
    made = list(spread(_fragile, range(40), 3))
    why = "the process that looked at it has died"
    expected = {3: Lost(f"{why} (SIGSEGV)"), 7: Lost(f"{why} (status 5)")}
    assert made == [expected.get(number % 10, 2 * number) for number in range(40)]


def test_a_process_that_has_grown_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MOST_MB", 10)
    made = list(spread(_greedy, range(12), 2))
    assert [entry[0] for entry in made if not isinstance(entry, Lost)] == list(range(12))
    assert len({entry[1] for entry in made if not isinstance(entry, Lost)}) > 2


def test_work_that_nobody_waits_for_ends() -> None:
    others = _children()
    results = spread(_double, range(1000), 2)
    next(results)
    working = _children() - others
    assert len(working) >= 2
    results.close()  # type: ignore[attr-defined]
    assert not working & _children()


def _children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sweep, "_WORTH_BYTES", 0)
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        folder = tmp_path / f"part{number % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"m{number}.py").write_text(BUG * (number % 2) + f"import torch\nn = {number}\n")
    (tmp_path / "broken.py").write_text("import torch\nx = (\n")
    (tmp_path / "other.py").write_text("x = (\n")
    return tmp_path


def _linter(tree: Path) -> Linter:
    return Linter.load(replace(Config(select=("NNL410",)), path=tree / "nnlint.toml"))


def _same(report: Report) -> tuple[object, ...]:
    return replace(report, seconds=0.0), report.sources, list(report.sources)


@pytest.mark.parametrize("cached", [False, True])
def test_processes_find_what_one_finds(cached: bool, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linter = _linter(tree)
    alone = linter.check([tree])
    assert len(alone.findings) == 7
    started: list[object] = []
    start = pool._Pool._start

    def counting(self: pool._Pool[object, object]) -> object:
        started.append(self)
        return start(self)

    monkeypatch.setattr(pool._Pool, "_start", counting)
    for turn in range(2):
        cache = Cache(tree / ".cache", tree, bytes(32)) if cached else None
        together = linter.check([tree], cache=cache, jobs=3)
        assert _same(together) == _same(alone)
        # With all of it in the cache there is nothing to start a process for.
        assert len(started) == (3 if cached else 3 * (turn + 1))
        if cache:
            cache.save()


def test_a_file_that_kills_the_process_is_not_run(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linter = _linter(tree)
    alone = linter.check([tree])
    look = Linter.look

    def dying(self: Linter, data: bytes, filename: str) -> FileResult:
        if filename.endswith("m4.py"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return look(self, data, filename)

    monkeypatch.setattr(Linter, "look", dying)
    cache = Cache(tree / ".cache", tree, bytes(32))
    report = linter.check([tree], cache=cache, jobs=2)
    assert report.findings == alone.findings
    (entry,) = report.not_run
    assert (entry.what, entry.filename) == ("static tier", str(tree / "part1" / "m4.py"))
    assert entry.why.endswith("has died (SIGSEGV)")
    assert report.status() == 2


def test_repairs_are_the_same_with_processes(tree: Path) -> None:
    linter = Linter.load(replace(Config(), path=tree / "nnlint.toml"))
    changed = []
    for jobs in (1, 3):
        fixer = Fixer(linter, unsafe=True, write=False)
        linter.check([tree], fixer, jobs=jobs)
        changed.append((fixer.changed, fixer.fixed, fixer.hidden))
    assert changed[0] == changed[1]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_the_shards_together_are_the_whole(count: int, tree: Path) -> None:
    linter = _linter(tree)
    whole = linter.check([tree])
    parts = [replace(linter, shard=Shard(index, count)).check([tree]) for index in range(1, count + 1)]
    assert tuple(sorted(finding for part in parts for finding in part.findings)) == whole.findings
    assert sum(part.files for part in parts) == whole.files
    if count == 2:
        assert all(part.files for part in parts)


def test_a_file_stays_in_its_shard(tree: Path) -> None:
    def shown(*args: str) -> set[str]:
        return set(CliRunner().invoke(cli, ["--show-files", *args]).stdout.split())

    before = shown("--shard", "2/3", ".")
    assert before
    assert before < shown(".")
    (tree / "part0" / "a_new_one.py").write_text("import torch\n")
    assert shown("--shard", "2/3", ".") - {"part0/a_new_one.py"} == before
    # From wherever it is named: the folder of the settings is what counts.
    (tree / "nnlint.toml").write_text("")
    parts = ("part2", "part1", "part0", "broken.py", "other.py")
    assert _resolved(shown("--shard", "2/3", str(tree))) == _resolved(shown("--shard", "2/3", *parts))


def _resolved(names: set[str]) -> set[Path]:
    return {Path(name).resolve() for name in names}


@pytest.mark.parametrize("value", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5"])
def test_a_shard_that_is_none_is_refused(value: str, tree: Path) -> None:
    result = CliRunner().invoke(cli, ["--shard", value, str(tree)])
    assert result.exit_code == 2
    assert "is not I/N" in result.output


def test_standard_input_is_in_no_shard() -> None:
    result = CliRunner().invoke(cli, ["--shard", "1/2", "-"], input=BUG)
    assert result.exit_code == 2


SLOW = """
import sys, time
seconds = float(sys.argv[1])
from nnlint import sweep
from nnlint.cli import main
from nnlint.engine import Linter
def slow(self, data, filename):
    print("at work", flush=True)
    time.sleep(seconds)
sweep._WORTH_BYTES = 0
Linter.look = slow
sys.argv[1:] = ["-j", "2", "."]
main()
"""


@pytest.mark.parametrize(("how", "seconds"), [(signal.SIGINT, "60"), (signal.SIGKILL, "1")])
def test_no_process_outlives_the_run(how: signal.Signals, seconds: str, tree: Path) -> None:
    """Ctrl-C ends what is at work; if the run is killed, each process ends after the file it is at."""
    (tree / "other.py").unlink()  # which would not be given to another process
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, seconds],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert b"Traceback" not in errors
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    for child in children:
        _gone(child)


def _gone(process: str) -> None:
    for _ in range(100):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.1)
    raise AssertionError(f"{process} is still there")
