"""Rules on metrics, cut gradients and shapes, in recorded steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from looked import Looked, check

pytestmark = pytest.mark.filterwarnings("ignore")


def step(body: str, outputs: int = 3, y: str = "torch.randint(0, 3, (7,))") -> str:
    return f"""
    x, y = torch.randn(7, 8), {y}
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, {outputs}))
    def step():
        out = net(x)
        {body}
        loss.backward()
    """


@pytest.mark.parametrize(
    "body",
    [
        "loss = (out.argmax(1) != y).float().mean().requires_grad_()  # non-differentiable-loss",
        "loss = F.mse_loss(out.softmax(1).round(), F.one_hot(y, 3).float())  # non-differentiable-loss",
        "loss = F.cross_entropy(out.detach(), y).requires_grad_()  # non-differentiable-loss",
    ],
)
def test_a_loss_without_a_way_to_the_network(body: str, tmp_path: Path) -> None:
    looked = check("non-differentiable-loss", step(body), tmp_path)
    assert "leads through it" in looked.of("non-differentiable-loss")[0].message


@pytest.mark.parametrize(
    "body",
    [
        "hard = out + (out.round() - out).detach(); loss = F.cross_entropy(hard, y)",
        "loss = (F.cross_entropy(out, y, reduction='none').detach() * out.log_softmax(1)[:, 0]).mean()",
        "loss = F.cross_entropy(out, y) + out.detach().abs().mean()",
    ],
)
def test_one_open_way_is_enough(body: str, tmp_path: Path) -> None:
    assert Looked(step(body), tmp_path).of("non-differentiable-loss") == []


def test_argmax_over_the_batch(tmp_path: Path) -> None:
    body = """
        loss = F.cross_entropy(out, y)
        best = out.argmax(0)  # metric-axis
        hits = (best[y] == y).sum()
        right = (out.max(1)[1] == y).sum()"""
    looked = check("metric-axis", step(body), tmp_path, both=False)
    assert "axis 0 of `out`, the batch" in looked.of("metric-axis")[0].message


def test_a_single_logit_has_no_argmax(tmp_path: Path) -> None:
    body = """
        loss = F.binary_cross_entropy_with_logits(out, y)
        hits = (out.argmax(1, keepdim=True) == y).sum()  # metric-axis"""
    check("metric-axis", step(body, 1, "torch.randint(0, 2, (7, 1)).float()"), tmp_path)


def test_predictions_that_meet_all_labels(tmp_path: Path) -> None:
    body = """
        loss = F.binary_cross_entropy_with_logits(out.squeeze(1), y)
        hits = ((out > 0) == y).sum()  # metric-axis"""
    check("metric-axis", step(body, 1, "torch.randint(0, 2, (7,)).float()"), tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        "loss = F.cross_entropy(out, y); hits = (out.argmax(1) == y).sum()",
        "loss = F.cross_entropy(out @ out.t(), torch.arange(7)); same = y[:, None] == y",
        "s = out @ x[:, :3].t(); loss = F.cross_entropy(s, torch.arange(7)); h = (s.argmax(0) == y).sum()",
    ],
)
def test_sound_metrics(body: str, tmp_path: Path) -> None:
    assert Looked(step(body), tmp_path).of("metric-axis") == []


@pytest.mark.parametrize(
    "body",
    [
        "loss = F.binary_cross_entropy_with_logits(out, y); hits = out > 0.5  # threshold-on-logits",
        "loss = F.binary_cross_entropy_with_logits(out, y); hits = out.data.round()  # threshold-on-logits",
        "loss = F.binary_cross_entropy(out.sigmoid(), y); hits = out.sigmoid() > 0  # threshold-on-logits",
    ],
)
def test_a_threshold_on_logits(body: str, tmp_path: Path) -> None:
    check("threshold-on-logits", step(body, 1, "torch.randint(0, 2, (7, 1)).float()"), tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        "loss = F.binary_cross_entropy_with_logits(out, y); hits = out.sigmoid() > 0.5; more = out > 0",
        "loss = F.mse_loss(out, y); hits = out > 0.5",
    ],
)
def test_sound_thresholds(body: str, tmp_path: Path) -> None:
    found = Looked(step(body, 1, "torch.randint(0, 2, (7, 1)).float()"), tmp_path)
    assert found.of("threshold-on-logits") == []


def test_one_number_for_a_row_of_targets(tmp_path: Path) -> None:
    body = "loss = ((out - y) ** 2).mean()  # output-shape"
    looked = check("output-shape", step(body, 1, "torch.randn(7, 4)"), tmp_path, both=False)
    assert "`out` is [7, 1] and `y` is [7, 4]" in looked.of("output-shape")[0].message


@pytest.mark.parametrize(
    ("body", "outputs", "y"),
    [
        ("loss = ((out - y) ** 2).mean()", 3, "torch.randn(7, 3)"),
        ("gap = y - out; loss = torch.maximum(0.9 * gap, -0.1 * gap).mean()", 3, "torch.randn(7, 1)"),
        ("loss = ((out[:, :1] - y) ** 2).mean()", 3, "torch.randn(7, 4)"),
        ("loss = ((out.mean(1, keepdim=True) - y) ** 2).mean()", 3, "torch.randn(7, 4)"),
    ],
)
def test_shapes_that_are_meant(body: str, outputs: int, y: str, tmp_path: Path) -> None:
    assert Looked(step(body, outputs, y), tmp_path).of("output-shape") == []


def test_a_chart_of_dependencies_by_reasoning(tmp_path: Path) -> None:
    text = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(8, 3)
        def forward(self, x):
            h = self.lin(x)
            return h - h.mean(0)
    x, y = torch.randn(7, 8), torch.randint(0, 3, (7,))
    net = Net()
    def step():
        out = net(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
    """
    looked = Looked(text, tmp_path)
    (finding,) = looked.of("chart-dependencies")
    assert "`Net`" in finding.message
    assert "`mean`" in finding.message
    # The rule that knows the operation says it better.
    assert [entry.name for entry in looked.shown if entry.tier.value == "graph"] == ["cross-batch"]
