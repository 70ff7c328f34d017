"""What the continued loop shows of gradients, updates and activations, and what the rules make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from seeing import HEAD, LOOP, found, row

from nnlint.capture.plan import Request
from nnlint.capture.supervise import capture
from nnlint.experiments import health

# The constants are computed, so that the source says nothing.
ALIKE = """
value = float(len(loader)) / 400
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 2)
        for part in self.children():
            part.weight = nn.Parameter(part.weight * 0 + value)
            part.bias = nn.Parameter(part.bias * 0)
    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
"""
ZERO_LAST = ALIKE.replace("for part in self.children()", "for part in [self.last]").replace("+ value", "")
FROZEN = """
body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
net = nn.ModuleDict({"body": body, "head": nn.Linear(16, 2)})
class Net(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body, self.head = body, nn.Linear(16, 2)
    def forward(self, x):
        return self.head(self.body(x * 3 + 1))
net = Net(body)
for name, part in net.named_children():
    part.requires_grad_(name == "head")
opt = torch.optim.SGD(net.head.parameters(), lr=0.1)
"""
CROSSED = """
a, b = nn.Linear(8, 2), nn.Linear(8, 2)
both = {name: torch.optim.SGD(net.parameters(), lr=0.1) for name, net in [("a", a), ("b", b)]}
for x, y in loader:
    for name in both:
        both[name].zero_grad()
        F.cross_entropy(a(x), y).backward()
        both[name].step()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "rule", "line", "part"),
    [
        (ALIKE + LOOP, "constant-init", "self.last(torch.tanh", "units of `first.weight` start out alike"),
        (FROZEN + LOOP, "frozen-batch-norm-drifts", "F.cross_entropy", "`body` is frozen"),
        (CROSSED, "crossed-networks", "both = {", "any of its 2 parameters"),
    ],
    ids=["constant-init", "frozen-batch-norm-drifts", "crossed-networks"],
)
def test_a_run_shows_what_the_source_does_not(
    text: str, rule: str, line: str, part: str, tmp_path: Path
) -> None:
    (finding,) = found(tmp_path, HEAD + text, rule)
    assert (finding.name, finding.span.start.row) == (rule, row(HEAD + text, line))
    assert part in finding.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        # A last layer of zeros is moved by the first step.
        (ZERO_LAST + LOOP, "constant-init"),
        (FROZEN + "net.body.eval()" + LOOP, "frozen-batch-norm-drifts"),
        (
            CROSSED.replace("cross_entropy(a(x)", "cross_entropy((a if name == 'a' else b)(x)"),
            "crossed-networks",
        ),
    ],
    ids=["constant-init", "frozen-batch-norm-drifts", "crossed-networks"],
)
def test_the_repaired_twin_is_silent(text: str, rule: str, tmp_path: Path) -> None:
    assert found(tmp_path, HEAD + text, rule) == []


@pytest.mark.slow
def test_the_figures_are_those_of_the_run(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 2)
    def forward(self, x):
        return self.last(F.relu(self.norm(self.first(x))))
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
"""
        + LOOP
    )
    seen = capture(Request(str(script)), (health.HEALTH,))
    figures = health.of(seen)
    assert figures is not None
    assert figures.broken is None
    assert figures.roots == ("Net",)
    assert [weight.name for weight in figures.weights][:2] == ["first.weight", "first.bias"]
    for weight in figures.weights:
        # Plain gradient descent: the update is the rate times the gradient.
        for update, gradient in zip(weight.updates, weight.gradients, strict=True):
            assert update == pytest.approx(0.1 * gradient, rel=2e-3)
        assert set(weight.rates) == {0.1}
    layers = {layer.name: layer for layer in figures.layers}
    relu = next(layer for layer in figures.layers if layer.activation == "relu")
    assert list(layers) == ["first", "norm", relu.name, "last"]
    assert layers["norm"].deviations[0] == pytest.approx(1.0, abs=0.05)
    assert (relu.units, relu.hidden) == (16, True)
    assert relu.low[0] == pytest.approx(0.5, abs=0.1)
    assert all(gradient > 0 for layer in figures.layers for gradient in layer.gradients)
    for layer in figures.layers:
        before, after = layer.histograms
        assert (before.step, after.step) == (layer.steps[0], layer.steps[-1])
        assert sum(before.counts) == sum(after.counts) == 16 * (2 if layer.name == "last" else 16)
        assert max(abs(before.low), abs(before.high)) == pytest.approx(layer.largest[0], rel=1e-3)
    # Half of what a relu puts out is zero, its lowest value.
    assert relu.histograms[0].counts[0] / 256 >= relu.low[0] - 1e-3
    assert [stepper.class_name for stepper in figures.steppers] == ["SGD"]
    assert figures.untouched == ()


def test_evenly_keeps_the_ends() -> None:
    assert health.evenly(range(100), 4) == [0, 33, 66, 99]
    assert health.evenly([1, 2], 4) == [1, 2]
