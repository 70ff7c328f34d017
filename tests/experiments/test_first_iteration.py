"""What the first iteration and what came before it show, beyond what the pages' examples run."""

from __future__ import annotations

from pathlib import Path

import pytest
from seeing import HEAD, LOOP, found, row

NET = """
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
"""
PARTIAL = (
    NET
    + """
wrapped = {f"{'mod'}ule.{name}": value for name, value in net.state_dict().items()}
net.load_state_dict(wrapped, strict=bool(len(wrapped) > 99))
"""
)
NO_RATE = (
    NET
    + """
turn = iter(range(1000))
for group in opt.param_groups:
    group["l" + "r"] = 0.1 * (len(loader) > 100)
"""
)
SINGLE = """
width = len(loader) // 40
net = nn.Linear(8, width)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for x, y in loader:
    opt.zero_grad()
    loss = F.cross_entropy(net(x), torch.zeros(len(x), dtype=torch.long))
    loss.backward()
    opt.step()
"""
LEAF = (
    NET
    + """
def measure(x, y):
    return getattr(F.cross_entropy(net(x), y), "det" + "ach")().requires_grad_()
for x, y in loader:
    opt.zero_grad()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    measure(x, y).backward()
    opt.step()
"""
)
LANGUAGE = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 16), nn.Linear(16, 20)
        self.rnn = nn.GRU(16, 16, batch_first=True)
    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])
net = Model()
opt = torch.optim.Adam(net.parameters())
rows = torch.randint(0, 20, (64, 12))
shift = int(features.abs().max() > 0) - 1 + SHIFT
for step in range(20):
    opt.zero_grad()
    scores = net(rows[:, : 12 - shift])
    loss = F.cross_entropy(scores.flatten(0, 1), rows[:, shift:].flatten())
    loss.backward()
    opt.step()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "rule", "line", "part"),
    [
        (PARTIAL + LOOP, "silent-partial-load", "strict=bool", "the names differ by `module.`"),
        (NO_RATE + LOOP, "schedule-formula", "torch.optim.SGD", "was 0 in each of its first 60 steps"),
        (SINGLE, "single-logit-cross-entropy", "F.cross_entropy", "the prediction is [16, 1]"),
        (LEAF, "non-differentiable-loss", "measure(x, y).backward", "made of plain numbers"),
        (LANGUAGE.replace("SHIFT", "0"), "unshifted-target", "F.cross_entropy", "the very tokens"),
        (LANGUAGE.replace("SHIFT", "2"), "unshifted-target", "F.cross_entropy", "shifted twice"),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value and " " not in value else "",
)
def test_a_run_shows_what_the_source_does_not(
    text: str, rule: str, line: str, part: str, tmp_path: Path
) -> None:
    (finding,) = found(tmp_path, HEAD + text, rule)
    assert (finding.name, finding.span.start.row) == (rule, row(HEAD + text, line))
    assert part in finding.message


@pytest.mark.slow
def test_sound_twins_are_silent(tmp_path: Path) -> None:
    backbone = NET + "net.load_state_dict({'0.bias': torch.zeros(16)}, strict=bool(len(loader) > 99))"
    for text, rule in (
        (backbone + LOOP, "silent-partial-load"),
        (NET + LOOP, "schedule-formula"),
        (LANGUAGE.replace("SHIFT", "1"), "unshifted-target"),
    ):
        assert found(tmp_path, HEAD + text, rule) == []
