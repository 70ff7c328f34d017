"""Scripts in two processes: what the ranks hold after a step, and how a gang ends."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import CHECKOUT, mismatches, python

from nnlint.capture.plan import Request
from nnlint.capture.supervise import Capture
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.experiments import shares as shares_of
from nnlint.experiments.health import HEALTH
from nnlint.experiments.overfit import TEN
from nnlint.finding import Report, Tier
from nnlint.page_text import expectations

pytestmark = pytest.mark.slow

HEAD = """
import os
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

dist.init_process_group("nccl")
rank = dist.get_rank()
torch.manual_seed(0)
features = torch.randn(640, 8)
data = TensorDataset(features, (features[:, 0] > 0).long())
net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
model = DDP(net)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
"""
LOOP = """
for epoch in range(3):
    for x, y in loader:
        opt.zero_grad()
        nn.functional.cross_entropy({model}(x), y).backward()
        opt.step()
"""
SOUND = """
sampler = DistributedSampler(data)
loader = DataLoader(data, 16, sampler=sampler)
"""
# Validation on each rank's share; what all of them did is brought together, or not.
SHARES = (
    SOUND
    + """
held_out = DataLoader(data, 16, sampler=DistributedSampler(data, shuffle=False))
for epoch in range(3):
    sampler.set_epoch(epoch)
    for x, y in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        opt.step()
    right = torch.zeros(1)
    with torch.no_grad():
        for x, y in held_out:
            right += (model(x).argmax(1) == y).sum()
    {collect}
    print(right)
"""
)
RULES = ("NNL8", "NNL316")


def run(folder: Path, text: str, *rules: str, seconds: float = 120) -> tuple[Report, Capture]:
    """What a run in two processes shows of the script, judged by these rules."""
    script = folder / "train.py"
    script.write_text(text, encoding="utf-8")
    return examine(Linter.load(Config(select=rules)), Request(str(script), seconds=seconds, ranks=2))


def shown(report: Report) -> dict[str, int]:
    """The line of each finding of the run, by name."""
    assert report.not_run == ()
    return {
        finding.name: finding.span.start.row for finding in report.findings if finding.tier is Tier.EXPERIMENT
    }


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        pytest.param(
            SOUND + LOOP.format(model="model.module"),
            "wrapper-bypassed",
            "cross_entropy(model.module(x)",
            id="the module is trained past its wrapper",
        ),
        pytest.param(
            "loader = DataLoader(data, 16, shuffle=True)\n" + LOOP.format(model="model"),
            "same-data-on-every-rank",
            "loader = ",
            id="both ranks draw from all data under one seed",
        ),
        pytest.param(
            SOUND
            + LOOP.format(model="model").replace(
                "    for x", "    if epoch > 5: sampler.set_epoch(epoch)\n    for x"
            ),
            "distributed-sampler",
            "loader = ",
            id="no set_epoch",
        ),
        pytest.param(
            # What is exchanged elsewhere, by the wrapper for its buffers too, brings no figures together.
            "dist.all_reduce(torch.ones(1))\n" + SHARES.format(collect=""),
            "rank-unaware-evaluation",
            "held_out = ",
            id="nobody sums the hits",
        ),
    ],
)
def test_a_bug_that_takes_two_processes(text: str, name: str, line: str, tmp_path: Path) -> None:
    text = HEAD + text
    # What follows from the bug is not told beside it.
    report, _ = run(tmp_path, text, "NNL801", name)
    row = next(number for number, at in enumerate(text.splitlines(), 1) if line in at)
    assert shown(report) == {name: row}


@pytest.mark.parametrize(
    "name", ["ddp_moved_after_wrapping", "ddp_no_sync_left_on", "ddp_batch_norm_per_rank"]
)
def test_ranks_that_part_in_a_whole_script(name: str) -> None:
    script = CHECKOUT / f"fixtures/buggy/{name}.py"
    report, _ = examine(Linter.load(Config(select=("NNL801",))), Request(str(script), seconds=120, ranks=2))
    assert report.not_run == ()
    marks = expectations(script.read_text(encoding="utf-8"))
    assert mismatches(report.findings, [mark for mark in marks if mark.name == "rank-divergence"]) == []


def test_shards_of_parameters_are_no_difference() -> None:
    script = CHECKOUT / "fixtures/clean/fsdp_training.py"
    report, seen = examine(Linter.load(Config(select=("NNL8",))), Request(str(script), seconds=120, ranks=2))
    assert (report.findings, report.not_run, len(seen.ranks)) == ((), (), 2)


def test_an_evaluation_that_is_brought_together_is_silent(tmp_path: Path) -> None:
    report, seen = run(tmp_path, HEAD + SHARES.format(collect="dist.all_reduce(right)"), "NNL804")
    assert shown(report) == {}
    shares = seen.trajectories[shares_of.SHARES.name].measure(shares_of.Shares)
    assert shares is not None
    assert [entry.together for entry in shares.passes] == [True, True]


def test_batch_norm_knows_the_samples_of_its_rank_only(tmp_path: Path) -> None:
    text = HEAD + SOUND.replace("16, ", "4, ")
    report, _ = run(tmp_path, text + LOOP.format(model="model"), "NNL801")
    assert list(shown(report)) == ["rank-divergence"]
    assert "the 4 samples of one rank, not over the 8 of a step" in report.findings[0].message


def test_a_sound_script_is_measured_on_all_ranks_alike() -> None:
    script = CHECKOUT / "fixtures/clean/ddp_training.py"
    linter = Linter.load(Config(select=(*RULES, "NNL414", "NNL601", "NNL903")))
    report, seen = examine(linter, Request(str(script), seconds=180, ranks=2))
    assert report.findings == ()
    assert report.not_run == ()
    assert [entry.rank for entry in sorted(seen.ranks, key=lambda entry: entry.rank)] == [0, 1]
    # Same batch and health are followed, what one process alone can tell is not.
    assert len(seen.trajectories[HEALTH.name].steps) == HEALTH.steps
    assert seen.trajectories[TEN.name].steps[-1].loss < seen.trajectories[TEN.name].steps[0].loss
    assert [entry.what for entry in report.skipped if "one process only" in entry.why] == [
        "rule NNL601 unshuffled-training"
    ]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        pytest.param(
            "if rank == 1: raise ValueError('no such file')",
            "raised on rank 1 ValueError: no such file",
            id="raises",
        ),
        pytest.param(
            "import signal, time\nif rank == 1: time.sleep(1); os.kill(os.getpid(), signal.SIGKILL)",
            "was killed by SIGKILL on rank 1 (last seen at",
            id="is killed",
        ),
    ],
)
def test_a_rank_that_dies_is_named(trouble: str, why: str, tmp_path: Path) -> None:
    text = HEAD + SOUND + trouble + LOOP.format(model="model")
    report, seen = run(tmp_path, text, "NNL801")
    assert seen.first_step is None
    (entry,) = report.not_run
    assert why in entry.why
    assert "train.py:" in entry.why


def test_where_the_ranks_stand_is_told_when_the_time_is_over(tmp_path: Path) -> None:
    text = HEAD + SOUND + "import time\nwhile rank == 1: time.sleep(0.1)\n" + LOOP.format(model="model")
    row = next(number for number, at in enumerate(text.splitlines(), 1) if "while rank == 1" in at)
    # How soon they are there is the machine's business.
    for seconds in (10, 40, 160):
        report, _ = run(tmp_path, text, "NNL801", seconds=seconds)
        (entry,) = report.not_run
        assert "the time was over" in entry.why
        if f"train.py:{row}" in entry.why:
            break
    assert re.search(rf"rank 1 at \S+train\.py:{row}$", entry.why), entry.why


def test_under_torchrun_the_first_process_speaks_for_all(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEAD + SOUND + LOOP.format(model="model.module"), encoding="utf-8")
    environment: Mapping[str, str] = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = python(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *("-m", "nnlint", "run", "--isolated", "--budget", "120", "--select", "NNL803", str(script)),
        cwd=tmp_path,
        env=environment,
    )
    assert done.stdout.count(b"wrapper-bypassed") == 1, done.stderr.decode()
