"""What the rules say of recorded steps: each bug by one rule and on its line, no more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bugs import BUGGY, CONTEXT
from support import every_rule
from torch import nn
from torch.nn import functional as F  # noqa: N812
from twin import Case
from zoo import CLEAN, SLOW, N

from nnlint.finding import Severity
from nnlint.graph.listing import legend
from nnlint.graph.record import record
from nnlint.graph.step import GraphStep
from nnlint.judge import judge
from nnlint.rule import Sighting

pytestmark = pytest.mark.filterwarnings("ignore")
RULES = [rule for rule in every_rule().rules if "G" in rule.page.tiers]
OWNERS = {
    "regroup": "view-after-transpose", "softmax": "softmax-dim", "recurrence": "sequence-batch-order",
}  # fmt: skip
OTHERS = {
    "gru_without_batch_first": "sequence-batch-order", "encoder_without_batch_first": "sequence-batch-order",
}  # fmt: skip


def step_of(case: Case) -> GraphStep:
    """A step whose loss is the mean of the predictions' squares."""

    def run() -> torch.Tensor:
        total = torch.zeros(())
        for tensor in case.predictions(dict(case.inputs)):
            if tensor.is_floating_point() and tensor.requires_grad:
                total = total + tensor.pow(2).mean()
        if total.requires_grad:
            total.backward()
        return total

    return GraphStep(record(run, case.inputs, case.roots, batch=case.size()))


def sightings(step: GraphStep) -> Iterator[tuple[str, Sighting]]:
    for rule in RULES:
        for sighting in rule.check_graph(step):
            if (sighting.severity or rule.page.severity) is not Severity.INFO:
                yield rule.page.name, sighting


# What a model of the zoo does wrong to show its operators.
MEANT = {"highway_gates": "unsafe-log"}
ABOUT_SAMPLES = {"cross-batch", *OWNERS.values(), "loss-broadcast"}


@pytest.mark.parametrize("name", [*CLEAN, *CONTEXT])
def test_nothing_is_said_of_a_clean_model(name: str) -> None:
    step = step_of({**CLEAN, **CONTEXT}[name]())
    found = [entry for entry in sightings(step) if entry[0] != MEANT.get(name)]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_nothing_is_said_of_a_library_model(name: str) -> None:
    assert list(sightings(step_of(SLOW[name]()))) == []


@pytest.mark.parametrize("name", BUGGY)
def test_a_bug_is_told_by_one_rule_on_its_line(name: str) -> None:
    bug = BUGGY[name]()
    found = [entry for entry in sightings(step_of(bug.case)) if entry[0] in ABOUT_SAMPLES]
    owner = OTHERS.get(name) or OWNERS.get(bug.kind, "cross-batch")
    assert [(rule, sighting.place and sighting.place.row) for rule, sighting in found] == [(owner, bug.row)]
    assert found[0][1].related[0][1].startswith("the batch axis comes from here")


def loss_step(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], target: torch.Tensor, out: int = 1
) -> GraphStep:
    net = nn.Linear(4, out)
    x = torch.randn(N, 4)

    def run() -> Any:
        value = loss(net(x), target)
        value.backward()
        return value

    return GraphStep(record(run, {"x": x, "y": target}, [net]))


@pytest.mark.parametrize(
    "loss",
    [
        F.mse_loss,
        F.smooth_l1_loss,
        lambda p, y: ((p - y) ** 2).mean(),
        lambda p, y: (p - y).abs().sum() / len(y),
        lambda p, y: F.mse_loss(p.squeeze(1), y.unsqueeze(1)),
    ],
)
def test_a_column_against_a_vector_is_told(loss: Any) -> None:
    found = list(sightings(loss_step(loss, torch.randn(N))))
    names = [name for name, _ in found if name in ABOUT_SAMPLES]
    assert names == ([] if "unsqueeze" in str(loss.__code__.co_names) else ["loss-broadcast"])


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, y: F.mse_loss(p.squeeze(1), y),
        lambda p, y: F.mse_loss(p, y.unsqueeze(1)),
        lambda p, y: torch.relu(1 - (p - p.t()) * torch.sign(y[:, None] - y)).mean(),
        lambda p, y: ((p - p.mean()) * (y - y.mean())[:, None]).mean() / y.std(),
        lambda p, y: (torch.logsumexp(p[:, 0] + (y[None] >= y[:, None]).log(), 1) - p[:, 0]).mean(),
        lambda p, y: F.softmax(p.squeeze(1), 0).mul(y).sum(),
    ],
)  # fmt: skip
def test_losses_that_compare_samples_on_purpose_are_left_alone(loss: Any) -> None:
    found = [entry for entry in sightings(loss_step(loss, torch.rand(N))) if entry[0] in ABOUT_SAMPLES]
    assert found == []


class ByHand(nn.Module):
    """Batch norm written out, and a statistic of the batch as one more feature."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.lin(x)
        mean = h.mean(dim=0)
        var = ((h - mean) ** 2).mean(dim=0)
        h = (h - mean) / torch.sqrt(var + 1e-5) * self.scale
        spread = h.std(0).mean().expand(x.size(0), 1)
        return torch.cat([h, spread], 1)


def test_batch_norm_by_hand_is_meant() -> None:
    net = ByHand()
    case = Case("by hand", {"x": torch.randn(N, 4)}, lambda given: net(given["x"]), [net])
    assert [entry for entry in sightings(step_of(case)) if entry[0] in ABOUT_SAMPLES] == []


def test_what_is_meant_to_mix_is_named_as_context() -> None:
    for name, what, operator in (
        ("similarity_matrix", "context, each sample is compared with every other one: ", "mm"),
        ("batch_norm", "context, samples meet as they are meant to: ", "native_batch_norm"),
    ):
        step = step_of({**CLEAN, **CONTEXT}[name]())
        (line,) = [text.plain for text in legend(step) if text.plain.startswith("context")]
        assert line.startswith(what)
        assert f" {operator}  zoo.py:" in line


def test_an_operator_without_a_rule_silences_what_follows() -> None:
    net = nn.Linear(4, 3)

    def forward(given: dict[str, torch.Tensor]) -> torch.Tensor:
        h = torch.ops.aten.renorm.default(net(given["x"]), 2, 1, 1.0)
        return F.softmax(torch.linalg.lstsq(h, h).solution @ h.t(), dim=0)

    case = Case("unknown", {"x": torch.randn(N, 4)}, forward, [net])
    step = step_of(case)
    assert step.flow.unknown
    assert "softmax-dim" not in [name for name, _ in sightings(step)]
    seen: Any = SimpleNamespace(first_step=None)
    (said,) = judge(RULES, seen, step, "script.py").skipped
    assert said.what == "graph of the first training step"
    assert said.why == "not known to nnlint, and nothing is said of what follows: linalg_lstsq (1)"
    assert said.why in [str(line) for line in legend(step)]


def test_thousands_of_nodes_take_a_second() -> None:
    from time import process_time

    net = nn.Sequential(
        *[layer for _ in range(300) for layer in (nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU())]
    )

    def timed(count: int) -> tuple[int, float]:
        case = Case("deep", {"x": torch.randn(N, 8)}, lambda given: net[:count](given["x"]), [net])
        graph, _ = case.recorded()
        started = process_time()
        assert GraphStep(graph).flow.unknown == {}
        return len(graph.nodes), process_time() - started

    nodes, seconds = timed(900)
    # The aim: at least 5,000 a second, and a machine that is busy.
    assert seconds < nodes / 2000


def test_work_grows_with_the_nodes_and_no_faster() -> None:
    net = nn.Sequential(
        *[
            part
            for _ in range(80)
            for part in (nn.Linear(8, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.1))
        ]
    )

    def calls(blocks: int) -> float:
        """How many functions are called for a node."""
        case = Case("deep", {"x": torch.randn(N, 8)}, lambda given: net[: 4 * blocks](given["x"]), [net])
        step = step_of(case)
        count = 0

        def heard(_: Any, event: str, __: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(heard)
        try:
            list(sightings(step))
        finally:
            sys.setprofile(None)
        return count / len(step.nodes)

    assert calls(80) < 1.2 * calls(20)
