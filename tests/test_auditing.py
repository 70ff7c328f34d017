"""`nnlint.audit`, and that it leaves everything of the caller's as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support import CHECKOUT, python
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import nnlint

RULES = ("dead-update", "target-out-of-range", "unnormalised-input")
LOSS = nn.CrossEntropyLoss()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 16)
        self.norm = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.head(torch.relu(self.norm(self.body(x))))


def _batch() -> tuple[Any, Any]:
    torch.manual_seed(0)
    return torch.randn(64, 8), torch.randint(0, 3, (64,))


def _names(report: nnlint.Report) -> list[str]:
    assert report.not_run == ()
    return [finding.name for finding in report.findings]


@pytest.fixture
def _threads() -> Iterator[None]:
    """Threads that a fork does not have."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.randn(1500, 1500) @ torch.randn(1500, 1500)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_threads")
def test_a_sound_model_passes_and_a_dead_update_is_found_at_the_call() -> None:
    net, batch = Net(), _batch()
    LOSS(net(batch[0]), batch[1]).backward()
    assert not nnlint.audit(net, LOSS, batch, torch.optim.SGD(net.parameters(), lr=0.1), select=RULES).errors
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-12)
    report = nnlint.audit(net, LOSS, batch, optimizer, select=RULES)
    (finding,) = report.errors
    line = Path(__file__).read_text().splitlines()[finding.span.start.row - 1]
    assert (finding.name, Path(finding.filename).name) == ("dead-update", Path(__file__).name)
    assert "nnlint.audit(net, LOSS, batch, optimizer" in line


def _state(net: nn.Module, optimizer: Any) -> list[Any]:
    states = [net.state_dict(), {name: parameter.grad for name, parameter in net.named_parameters()}]
    tensors = [
        None if tensor is None else (tensor.clone(), tensor._version)
        for state in states
        for tensor in state.values()
    ]
    hooks = [len(vars(part)[name]) for part in net.modules() for name in vars(part) if "hooks" in name]
    modes = [part.training for part in net.modules()]
    return [tensors, hooks, modes, repr(optimizer.state_dict()), optimizer.step]


def test_nothing_of_the_callers_changes() -> None:
    net, (x, y) = Net(), _batch()
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    LOSS(net(x), y).backward()
    net.eval()
    before = _state(net, optimizer)
    patched = [
        nn.Module.__call__,
        DataLoader.__iter__,
        torch.autograd.backward,
        torch.optim.Optimizer.__init__,
    ]
    draws = torch.get_rng_state(), random.getstate(), torch.get_num_threads(), sys.getrecursionlimit()
    report = nnlint.audit(net, LOSS, loader, optimizer, select=RULES)
    assert _names(report) == []
    after = _state(net, optimizer)
    assert repr(before) == repr(after)
    assert patched == [
        nn.Module.__call__, DataLoader.__iter__, torch.autograd.backward, torch.optim.Optimizer.__init__,
    ]  # fmt: skip
    assert torch.equal(draws[0], torch.get_rng_state())
    assert draws[1:] == (random.getstate(), torch.get_num_threads(), sys.getrecursionlimit())


def test_targets_and_inputs_of_a_loader_are_judged() -> None:
    x, _ = _batch()
    loader = DataLoader(TensorDataset(x * 1000, torch.full((64, 1), 2.0)), batch_size=16)
    report = nnlint.audit(nn.Linear(8, 1), nn.BCEWithLogitsLoss(), loader, select=RULES)
    assert set(_names(report)) == {"target-out-of-range", "unnormalised-input"}


def test_a_step_of_the_callers_own() -> None:
    x, y = _batch()

    def step(model: Any, batch: Any) -> Any:
        return LOSS(model(batch["x"]), batch["y"])

    batches = [{"x": x[:32], "y": y[:32]}, {"x": x[32:], "y": y[32:]}]
    assert _names(nnlint.audit(Net(), None, batches, step=step, select=RULES)) == []


def test_copies_in_a_fresh_process_where_forking_is_not_wanted() -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-12)
    report = nnlint.audit(net, LOSS, _batch(), optimizer, select=RULES, fork=False)
    assert _names(report) == ["dead-update"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((LOSS, torch.randn(4, 8)), "one tensor"),
        ((LOSS, {"x": torch.randn(4, 8)}), "step="),
        ((None, (torch.randn(4, 8), torch.zeros(4).long())), "give a loss_fn"),
        ((LOSS, (torch.randn(4, 5), torch.zeros(4).long())), "RuntimeError"),
    ],
    ids=["a tensor", "a mapping", "no loss", "a wrong shape"],
)
def test_what_cannot_be_trained_on_is_said_in_one_line(arguments: Any, why: str) -> None:
    report = nnlint.audit(Net(), *arguments, select=("dead-update",))
    (entry,) = report.not_run
    assert why in entry.why
    assert "\n" not in entry.why


def test_the_fixture_fails_a_test_with_the_findings(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import torch\n"
        "net = torch.nn.Linear(4, 1)\n"
        "batch = torch.randn(16, 4), torch.randn(16, 1)\n"
        "def test_rate(nnlint_audit):\n"
        "    slow = torch.optim.SGD(net.parameters(), lr=1e-12)\n"
        "    nnlint_audit(net, torch.nn.MSELoss(), batch, slow, select=['dead-update'])\n"
    )
    command = ("-m", "pytest", "-q", "-p", "nnlint.pytest_plugin", "-p", "no:cacheprovider", "test_it.py")
    done = python(*command, cwd=tmp_path, env={"PYTHONPATH": str(CHECKOUT)})
    assert done.returncode == 1, done.stdout
    assert b"dead-update" in done.stdout
    assert b"1 failed" in done.stdout


def test_importing_nnlint_imports_no_torch(tmp_path: Path) -> None:
    code = "import sys, nnlint; 'audit' in nnlint.__all__ or 1/0; sys.exit('torch' in sys.modules)"
    assert python("-c", code, cwd=tmp_path).returncode == 0


def _forgetful(net: nn.Module, loader: DataLoader[Any], path: Path) -> None:
    """A loop of the caller's own that differentiates nothing, and writes."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for number, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        LOSS(net(x), y)
        optimizer.step()
        path.write_text(str(number))


def test_a_function_that_trains_is_examined_like_a_script_and_changes_nothing(tmp_path: Path) -> None:
    net, (x, y) = Net(), _batch()
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    before = _state(net, optimizer := torch.optim.SGD(net.parameters(), lr=0.1))
    path = tmp_path / "log.txt"
    rules = ("everything-frozen", "dead-update")
    report = nnlint.audit_training(lambda: _forgetful(net, loader, path), select=rules)
    assert _names(report) == ["everything-frozen"]
    assert Path(report.findings[0].filename).name == Path(__file__).name
    assert repr(before) == repr(_state(net, optimizer))
    assert not path.exists()


def test_a_function_that_never_trains_says_so() -> None:
    report = nnlint.audit_training(lambda: None, select=("dead-update",))
    assert [entry.why for entry in report.not_run] == ["the function returned before its first training step"]
