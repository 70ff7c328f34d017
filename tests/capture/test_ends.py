"""Every run ends within its budget, says what happened, and leaves no process behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from scripts import HEAD, NO_LOADER
from support import SLEEP, sleeping
from warm import Warm

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import Capture, capture

EARLY = {
    "exits": ("import sys\nsys.exit(3)", "exited with status 3"),
    "ends its process": ("import os\nos._exit(0)", "ended its process"),
    "raises": (r"raise ValueError('no such \x1b[1mdata\x1b[0m')", "ValueError: no such data"),
    "raises in the first batch": (
        HEAD + "for x, y in DataLoader(data, 8):\n    raise KeyError('label')",
        "KeyError: 'label'",
    ),
    "never trains": ("print('hello')", "ended before its first training step"),
    "recurses": ("def f():\n    f()\nf()", "RecursionError"),
    "does not parse": ("def (:\n", "train.py:1: invalid syntax"),
    "expects torchrun": (
        "import os\nrank = int(os.environ['LOCAL_RANK'])",
        "KeyError: 'LOCAL_RANK' (train.py:2); it expects torchrun: see --nproc-per-node",
    ),
    "trains elsewhere": (
        "import torch\ndef train(rank): pass\nif __name__ == '__main__':\n"
        "    torch.multiprocessing.spawn(train, nprocs=1)",
        "ended before its first training step; it has started processes of its own (train.py:4), which",
    ),
    "loads within loading": (
        "from torch.utils.data import DataLoader\nclass Rows:\n    def __len__(self): return 8\n"
        "    def __getitem__(self, i): return next(iter(DataLoader(Rows(), 4, num_workers=4)))\n"
        "for x in DataLoader(Rows(), 4, num_workers=4): pass",
        "RecursionError",
    ),
    "asks": ("input('rate? ')", "EOFError"),
}


@pytest.fixture(scope="module", autouse=True)
def _ready(warm: Warm) -> None:
    """The budgets here are too small for importing torch in them."""
    warm.ready()


def run(text: str, tmp_path: Path, seconds: float = 60.0) -> Capture:
    script = tmp_path / "train.py"
    script.write_text(text)
    return capture(Request(str(script), seconds=seconds))


@pytest.mark.parametrize("way", EARLY)
def test_an_early_end_is_said_in_one_line(way: str, tmp_path: Path) -> None:
    text, why = EARLY[way]
    seen = run(text, tmp_path)
    assert seen.first_step is None
    (entry,) = seen.not_run
    assert why in entry.why.replace(f"{tmp_path}/", "")
    assert "\n" not in entry.why


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param("while True: pass", marks=pytest.mark.afresh),
        "import time\nwhile True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass",
        f"import os\nwhile True:\n    os.fork() or os.execvp('sleep', {SLEEP})",
    ],
    ids=["endless", "swallows everything", "forks"],
)
def test_the_budget_ends_everything(loop: str, tmp_path: Path) -> None:
    if "fork" in loop:
        loop = loop.replace("while True:", "for _ in range(20):") + "\nimport time\ntime.sleep(1000)"
    started = time.monotonic()
    seen = run(loop, tmp_path, seconds=8)
    assert time.monotonic() - started < 40
    assert "the time was over" in seen.not_run[0].why
    assert sleeping() == []


def test_threads_and_children_of_the_script_do_not_outlive_it(tmp_path: Path) -> None:
    before = (
        f"import subprocess, threading, time\nsubprocess.Popen({SLEEP})\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
    )
    seen = run(before + HEAD + NO_LOADER, tmp_path)
    assert seen.first_step is not None, (seen.not_run, seen.output)
    assert sleeping() == []


def test_a_hundred_megabytes_of_output_are_read_and_dropped(tmp_path: Path) -> None:
    seen = run("for _ in range(100): print('x' * 1_000_000)\n" + HEAD + NO_LOADER, tmp_path)
    assert seen.first_step is not None, seen.not_run
    assert len(seen.output) <= 64 * 1024


def test_exceptions_swallowed_around_the_loop(tmp_path: Path) -> None:
    body = "".join(f"    {line}\n" for line in NO_LOADER.strip().splitlines())
    seen = run(HEAD + "while True:\n  try:\n" + body + "  except BaseException:\n    pass\n", tmp_path)
    assert seen.first_step is not None, seen.not_run


# Batches come from a thread, as prefetch_generator has it; samples from a pool that the data set keeps.
READS_AHEAD = """
import queue, threading
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
class Rows:
    def __len__(self): return 64
    def __getitem__(self, index): return pool.submit(lambda: (features[index], labels[index])).result()
class Ahead(threading.Thread):
    def __init__(self, batches):
        super().__init__(daemon=True)
        self.batches, self.ready = batches, queue.Queue(12)
        self.start()
    def run(self):
        for batch in self.batches: self.ready.put(batch)
        self.ready.put(None)
    def __iter__(self): return iter(self.ready.get, None)
net = nn.Linear(6, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(9):
    for x, y in Ahead(iter(DataLoader(Rows(), 4))):
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
"""


def test_threads_that_a_forked_process_lacks_are_had_by_running_anew(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEAD + READS_AHEAD)
    wanted = [Continuation("as it is", "none", 20, 30), Continuation("held", "same_batch", 20, 30)]
    seen = capture(Request(str(script), seconds=200), wanted)
    assert (seen.rerun, seen.not_run) == (True, []), seen.output
    assert seen.first_step is not None
    assert len(seen.first_step.losses) == len(seen.first_step.criteria) == 1
    assert [len(entry.steps) for entry in seen.trajectories.values()] == [20, 20]


def test_what_waits_after_training_is_told_by_then(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEAD + NO_LOADER.replace("300", "7") + "import time\ntime.sleep(10_000)\n")
    seen = capture(Request(str(script), seconds=100), [Continuation("as it is", "none", 20, 30)])
    assert seen.not_run == []
    assert len(seen.trajectories["as it is"].steps) == 7
    assert seen.trajectories["as it is"].ended == "the script waits for something"


def test_what_was_seen_when_the_time_is_over_is_told(tmp_path: Path) -> None:
    # The third update takes for ever.
    slow = NO_LOADER + "    while step == 2: pass\n"
    script = tmp_path / "train.py"
    script.write_text(HEAD + slow)
    seen = capture(Request(str(script), seconds=8), [Continuation("as it is", "none", 20, 30)])
    assert seen.not_run == []
    trajectory = seen.trajectories["as it is"]
    assert (len(trajectory.steps), trajectory.ended) == (3, "seconds")


def test_killing_nnlint_kills_the_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"import os, subprocess\nsubprocess.run({SLEEP})\n")
    parent = subprocess.Popen(
        [sys.executable, "-m", "nnlint", "run", "--budget", "600", str(script)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(1200):
        if sleeping():
            break
        time.sleep(0.1)
    else:
        parent.kill()
        parent.wait()
        raise AssertionError("the script has not started")
    parent.kill()
    parent.wait()
    for _ in range(600):
        if not sleeping():
            return
        time.sleep(0.1)
    raise AssertionError("the script lives on")


@pytest.mark.parametrize("after", [0.0, 0.15, 0.3])
def test_killing_nnlint_as_the_script_begins_leaves_nothing(after: float, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import time\nwhile True:\n    time.sleep(0.1)\n")
    parent = psutil.Popen(
        [sys.executable, "-m", "nnlint", "run", "--budget", "600", str(script)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(6000):
        if begun := parent.children():
            break
        time.sleep(0.01)
    time.sleep(after)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(begun, timeout=60)
    assert (len(begun), alive) == (1, [])


GREEDY = "kept = []\nwhile True:\n    kept.append(torch.ones(2**24))\n"


def test_a_script_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import torch\n" + GREEDY)
    seen = capture(Request(str(script), memory=1.0))
    assert [entry.why for entry in seen.not_run] == ["took more than 1 GiB of memory (see --memory)"]


def test_only_the_continuation_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    # Only where the inputs are zero does it begin to take.
    loop = NO_LOADER.replace(
        "    opt.step()\n", "    opt.step()\n    if step > 3 and net.seen == 0:\n        GREEDY"
    )
    loop = loop.replace("        GREEDY", "        " + GREEDY.replace("\n", "\n        ").strip())
    loop = loop.replace(
        "for step in",
        "def see(net, args):\n    net.seen = args[0].abs().sum()\n"
        "net.register_forward_pre_hook(see)\nfor step in",
    )
    script = tmp_path / "train.py"
    script.write_text(HEAD + loop)
    wanted = [Continuation("zeroed", "zeroed", 20, 50), Continuation("as it is", "none", 20, 50)]
    seen = capture(Request(str(script), memory=1.2, seconds=100), wanted)
    assert seen.first_step is not None, (seen.not_run, seen.output)
    (entry,) = seen.not_run
    assert entry.what == "continuation zeroed"
    assert entry.why == "took more than 1.2 GiB of memory (see --memory)"
    assert len(seen.trajectories["as it is"].steps) == 20


def test_without_namespaces_nothing_outlives_the_run_either(tmp_path: Path) -> None:
    # It has left its session, and its parent is gone.
    before = (
        f"import subprocess\nsubprocess.run(['sh', '-c', 'setsid {' '.join(SLEEP)} & exit'])\n"
        "import os, tempfile\nprint('TMP', os.path.dirname(tempfile.gettempdir()))\n"
    )
    script = tmp_path / "train.py"
    script.write_text(before + HEAD + NO_LOADER)
    seen = capture(Request(str(script), shelter="landlock"))
    assert seen.first_step is not None, (seen.not_run, seen.output)
    assert sleeping() == []
    scratch = next(line for line in seen.output.splitlines() if line.startswith("TMP")).split()[1]
    assert "nnlint-" in scratch
    assert not Path(scratch).exists()
