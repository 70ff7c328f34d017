"""The first training iteration is found in every shape of script, and described as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from scripts import (
    ACCUMULATION,
    ALL,
    BY_HAND,
    CLOSURE,
    GAN,
    HEAD,
    LOADER,
    NO_LOADER,
    OTHER_LOADERS_FIRST,
    TRAINER,
)

from nnlint.capture.plan import Continuation, FirstStep, Place, Request
from nnlint.capture.supervise import Capture, capture
from nnlint.experiments.graph import WHOLE, step_of


def run(text: str, tmp_path: Path, continuations: Sequence[Continuation] = (), **options: object) -> Capture:
    script = tmp_path / "train.py"
    script.write_text(HEAD + text)
    return capture(Request(str(script), **options), continuations)  # type: ignore[arg-type]


def first(text: str, tmp_path: Path) -> FirstStep:
    seen = run(text, tmp_path)
    assert seen.first_step is not None, (seen.not_run, seen.output)
    assert seen.not_run == []
    return seen.first_step


def test_a_loader_with_workers(tmp_path: Path) -> None:
    step = first(LOADER, tmp_path)
    assert step.trigger == "loader"
    assert step.loader is not None
    assert (step.loader.batch_size, step.loader.sampler, step.loader.workers) == (16, "RandomSampler", 4)
    assert step.batch == "(Tensor[16, 6] float32, Tensor[16] int64)"
    (root,) = step.roots
    assert (root.class_name, root.training, root.output) == ("Sequential", True, "Tensor[16, 2] float32")
    assert [parameter.name for parameter in root.parameters] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias",
    ]  # fmt: skip
    assert all(parameter.changed and parameter.steps == 1 for parameter in root.parameters)
    (optimizer,) = step.optimizers
    assert (optimizer.class_name, optimizer.steps, optimizer.groups[0].lr) == ("Adam", 1, 0.001)
    (loss,) = step.losses
    assert 0.3 < loss.value < 1.5
    assert loss.place is not None
    assert Path(loss.place.filename).name == "train.py"
    (criterion,) = step.criteria
    assert (criterion.name, criterion.classes, criterion.low, criterion.high) == ("cross_entropy", 2, 0, 1)


# Something of all that a first step is to tell, as nothing else in these tests has it.
EVERYTHING = """
from collections import namedtuple
from dataclasses import dataclass
@dataclass
class Rows:
    features: torch.Tensor
    labels: torch.Tensor
Pair = namedtuple("Pair", "rows extra")
def collate(samples):
    x, y = (torch.stack(part) for part in zip(*samples))
    return Pair(Rows(x, y), {"weights": [torch.ones(len(x)), "of the samples"]})
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
        self.head, self.unused, self.frozen = nn.Linear(4, 2), nn.Linear(1, 1), nn.Linear(4, 2)
        self.frozen.requires_grad_(False)
    def forward(self, rows, scale=1.0):
        hidden = self.body(rows.features)
        return {"logits": scale * (self.head(hidden) + self.frozen(hidden))}
net = Net()
opt = torch.optim.SGD([
    {"params": net.body.parameters(), "lr": 0.5},
    {"params": list(net.head.parameters()) + list(net.frozen.parameters())},
], lr=0.25)
loader = DataLoader(data, batch_size=8, drop_last=True, collate_fn=collate)
net.body.train()
net.body[1].eval()
for pair in loader:
    opt.zero_grad()
    loss = F.cross_entropy(net(pair.rows, scale=torch.tensor(2.0))["logits"], pair.rows.labels)
    loss.backward()
    opt.step()
"""


def test_all_that_a_first_step_tells(tmp_path: Path) -> None:
    step = first(EVERYTHING, tmp_path)
    lines = (HEAD + EVERYTHING).splitlines()

    def line(place: Place | None) -> str:
        assert place is not None
        assert place.filename == str(tmp_path / "train.py")
        return lines[place.row - 1].strip()

    # Root modules and their call arguments; the batch, of any nesting.
    (root,) = step.roots
    rows = "Rows(features=Tensor[8, 6] float32, labels=Tensor[8] int64)"
    assert (root.class_name, root.arguments) == ("Net", (rows, "scale=Tensor[] float32"))
    assert root.output == "{logits: Tensor[8, 2] float32}"
    assert step.batch == f"({rows}, {{weights: (Tensor[8] float32, str)}})"
    # The loss and where `backward` was called.
    (loss,) = step.losses
    assert (0 < loss.value < 9, loss.shape, line(loss.place)) == (True, (), "loss.backward()")
    # Optimizers, their groups and rates, and what none of them holds.
    (optimizer,) = step.optimizers
    assert (optimizer.class_name, optimizer.steps, optimizer.graded) == ("SGD", 1, 6)
    assert [(group.lr, group.parameters) for group in optimizer.groups] == [(0.5, 4), (0.25, 4)]
    held_by_none = [entry.name for entry in root.parameters if not entry.optimizers]
    assert held_by_none == ["unused.weight", "unused.bias"]
    # Which modules were in training mode.
    assert root.training
    assert [part.name for part in root.parts if not part.training] == ["body.1"]
    assert {part.class_name for part in root.parts} == {"Sequential", "Linear", "BatchNorm1d"}
    # Which parameters got gradients, which changed, and at which rates.
    learnt = ["body.0", "body.1", "head"]
    for entry in root.parameters:
        got = entry.name.rpartition(".")[0] in learnt
        assert (entry.has_grad, entry.steps, entry.requires_grad) == (got, got, "frozen" not in entry.name)
        assert entry.lr == (0 if not got else 0.25 if entry.name.startswith("head") else 0.5)
        # What batch norm takes away again has no gradient, but for rounding.
        assert entry.changed == got or entry.name == "body.0.bias"
        assert entry.finite
    # The loader, and the user's lines.
    assert step.loader is not None
    settings = step.loader
    assert (settings.class_name, settings.dataset, settings.sampler) == (
        "DataLoader", "TensorDataset", "SequentialSampler",
    )  # fmt: skip
    assert (settings.batch_size, settings.workers, settings.drop_last, settings.samples) == (8, 0, True, 64)
    assert line(settings.place).startswith("loader = DataLoader(")
    assert line(step.place) == "for pair in loader:"
    assert line(root.place) == line(step.criteria[0].place)
    assert line(optimizer.place).startswith(("opt = torch.optim.SGD(", "], lr=0.25)"))


def test_the_loop_that_trains_is_found_behind_those_that_do_not(tmp_path: Path) -> None:
    step = first(OTHER_LOADERS_FIRST, tmp_path)
    lines = (HEAD + OTHER_LOADERS_FIRST).splitlines()
    assert step.place is not None
    assert lines[step.place.row - 1] == "    for x, y in loader:"
    assert len(step.losses) == 1


def test_no_loader_at_all(tmp_path: Path) -> None:
    step = first(NO_LOADER, tmp_path)
    assert (step.trigger, step.loader) == ("call", None)
    assert len(step.losses) == len(step.criteria) == 1
    assert step.roots[0].arguments == ("Tensor[16, 6] float32",)


def test_accumulated_gradients_are_one_iteration(tmp_path: Path) -> None:
    step = first(ACCUMULATION, tmp_path)
    assert len(step.losses) == 4
    assert step.optimizers[0].steps == 1


def test_batches_that_are_taken_before_any_is_used(tmp_path: Path) -> None:
    # As Transformers does, and as one that looks at the data first does not.
    ahead = ACCUMULATION.replace(
        "enumerate(DataLoader(data, 4))", "enumerate([*DataLoader(data, 4)])"
    ).replace("% 4 == 0", "% 16 == 0")
    assert ahead.count("[*") == ahead.count("16") == 1
    step = first("mean = sum(x.mean() for x, _ in DataLoader(data, 4))\n" + ahead, tmp_path)
    assert step.place is not None
    assert "[*" in (HEAD + "\n" + ahead).splitlines()[step.place.row - 1]
    assert len(step.losses) == 16


CELLS = """
cell, head = nn.GRUCell(1, 4), nn.Linear(4, 2)
opt = torch.optim.SGD([*cell.parameters(), *head.parameters()], 0.1)
for step in range(50):
    opt.zero_grad()
    state = torch.zeros(64, 4)
    for turn in range(150):
        state = cell(features[:, turn % 6, None], state)
    F.cross_entropy(head(state), labels).backward()
    opt.step()
"""


def test_a_model_that_is_called_many_times_for_one_update(tmp_path: Path) -> None:
    seen = run(CELLS, tmp_path, [Continuation("as it is", "none", 4, 30)])
    assert seen.first_step is not None, (seen.not_run, seen.output)
    step = seen.first_step
    assert (step.trigger, len(step.losses), len(step.criteria)) == ("call", 1, 1)
    assert [root.class_name for root in step.roots] == ["GRUCell", "Linear"]
    # From the first call on: the loss of the first update is that of the whole iteration.
    assert seen.trajectories["as it is"].steps[0].loss == step.losses[0].value


def test_a_pass_of_one_batch_before_an_evaluation(tmp_path: Path) -> None:
    whole = """
net, opt = nn.Linear(6, 2), None
opt = torch.optim.SGD(net.parameters(), 0.1)
held_out = DataLoader(data, 32)
for epoch in range(9):
    for x, y in DataLoader(data, 64):
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
    with torch.no_grad():
        right = sum((net(x).argmax(1) == y).sum() for x, y in held_out)
"""
    step = first(whole, tmp_path)
    assert (step.trigger, len(step.losses)) == ("loader", 1)
    assert step.loader is not None
    assert step.loader.batch_size == 64


def test_both_networks_of_one_iteration(tmp_path: Path) -> None:
    step = first(GAN, tmp_path)
    assert [optimizer.steps for optimizer in step.optimizers] == [1, 1]
    assert {root.output for root in step.roots} == {"Tensor[16, 1] float32", "Tensor[16, 6] float32"}
    assert all(parameter.optimizers for root in step.roots for parameter in root.parameters)


def test_a_closure_and_updates_by_hand(tmp_path: Path) -> None:
    closure = first(CLOSURE, tmp_path)
    assert (closure.optimizers[0].class_name, closure.optimizers[0].graded) == ("LBFGS", 2)
    seen = run(BY_HAND, tmp_path, [WHOLE])
    assert (seen.first_step is not None, seen.not_run) == (True, []), seen.output
    by_hand = seen.first_steps[0]
    assert (by_hand.trigger, by_hand.optimizers, len(by_hand.losses)) == ("backward", (), 1)
    # The fork was within its first backward; the next iteration could be recorded from its beginning.
    recorded = step_of(seen)
    assert recorded is not None
    assert [recorded.operator(loss.ref.node) for loss in recorded.losses] == ["mean"]


def test_a_trainer_class_with_batches_that_are_mappings(tmp_path: Path) -> None:
    step = first(TRAINER, tmp_path)
    assert step.batch == "{inputs: Tensor[16, 6] float32, targets: Tensor[16] int64}"


@pytest.mark.parametrize("shape", ALL)
def test_continuations_start_from_the_same_point(shape: str, tmp_path: Path) -> None:
    wanted = [Continuation("as it is", "none", 6, 30), Continuation("held", "same_batch", 12, 30)]
    seen = run(ALL[shape], tmp_path, continuations=wanted)
    assert seen.not_run == []
    plain, held = seen.trajectories["as it is"], seen.trajectories["held"]
    assert seen.first_step is not None
    assert len(plain.steps) == 6
    assert plain.ended == "steps"
    assert plain.steps[0].loss == held.steps[0].loss == seen.first_step.losses[0].value
    if shape not in ("two networks", "accumulation", "closure"):
        # One batch again and again is learnt.
        assert held.steps[-1].loss < held.steps[0].loss


def test_without_forks_the_trajectories_are_the_same(tmp_path: Path) -> None:
    wanted = [Continuation("as it is", "none", 5, 30), Continuation("zeroed", "zeroed", 5, 30)]
    forked = run(LOADER, tmp_path, continuations=wanted)
    rerun = run(LOADER, tmp_path, continuations=wanted, fork=False, seconds=120)
    assert rerun.rerun
    assert not forked.rerun
    for name in ("as it is", "zeroed"):
        assert rerun.trajectories[name].steps == forked.trajectories[name].steps
    assert forked.first_step is not None
    assert rerun.first_step is not None
    assert rerun.first_step.losses == forked.first_step.losses


def test_a_module_with_relative_imports_and_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("from torch import nn\nNet = nn.Linear\n")
    (package / "train.py").write_text(
        "import sys\nfrom .net import Net\nassert sys.argv[1:] == ['--rate', '0.1'], sys.argv\n"
        "assert __name__ == '__main__' and __package__ == 'package'\n"
        + HEAD
        + NO_LOADER.replace("nn.Linear", "Net")
    )
    monkeypatch.chdir(tmp_path)
    seen = capture(Request("package.train", ("--rate", "0.1"), module=True))
    assert seen.first_step is not None, (seen.not_run, seen.output)


def test_a_notebook_runs_its_code_cells(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Training"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip list\n", HEAD]},
        {"cell_type": "code", "source": ["%%bash\n", "exit 1"]},
        {"cell_type": "code", "source": [NO_LOADER]},
    ]
    notebook = tmp_path / "train.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    seen = capture(Request(str(notebook)))
    assert seen.first_step is not None, (seen.not_run, seen.output)
    assert seen.first_step.losses[0].place is not None
    assert seen.first_step.losses[0].place.filename.endswith("train.ipynb:cell 4")


def test_a_writer_of_tensorboard_is_not_waited_for(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    text = (
        "from torch.utils.tensorboard import SummaryWriter\nwriter = SummaryWriter('runs', max_queue=2)\n"
        + LOADER.replace("opt.step()", "opt.step(); writer.add_scalar('loss', 1.0); writer.flush()")
    )
    assert "writer.flush()" in text
    seen = run(text, tmp_path, [Continuation("real", "none", 12, 20)], seconds=60)
    assert seen.not_run == []
    assert len(seen.trajectories["real"].steps) == 12
