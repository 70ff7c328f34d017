"""The mode in the first evaluation, and when training goes on after it, as a run shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from seeing import HEAD, found, row

# The source does not show which network is called, nor what a switch does.
NET = """
held_out = DataLoader(TensorDataset(features[:200] + 1, labels[:200]), 16)
net = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
parts = {"net": net}
def switch(on):
    getattr(parts["n" + "et"], "tr" + "ain")(on)
def train():
    for x, y in loader:
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
def right(what):
    count = 0
    for x, y in held_out:
        scores = what(x)
        count += (scores.argmax(1) == y).sum().item()
    return count
"""
NEVER_SWITCHED = """
for epoch in range(3):
    train()
    with torch.no_grad():
        right(parts["n" + "et"])
"""
COLLECTED = """
for epoch in range(3):
    train()
    guesses, truth = [], []
    with torch.no_grad():
        for x, y in held_out:
            guesses.extend(parts["n" + "et"](x).argmax(1).tolist())  # here
            truth.extend(y.tolist())
    print(sum(one == other for one, other in zip(guesses, truth)))
"""
NOT_RESTORED = """
for epoch in range(3):
    train()
    switch(False)  # here
    with torch.no_grad():
        right(parts["n" + "et"])
"""
BY_HAND = """
test_features, test_labels = torch.randn(50, 8), torch.randint(0, 2, (50,))
for epoch in range(3):
    train()
    with torch.no_grad():
        print(F.cross_entropy(parts["n" + "et"](test_features), test_labels).item())  # here
"""
SOUND = """
for epoch in range(3):
    train()
    switch(False)
    with torch.no_grad():
        right(parts["n" + "et"])
    switch(True)
"""
MONTE_CARLO = """
for epoch in range(3):
    train()
    with torch.no_grad():
        for x, y in held_out:
            mean = torch.stack([net(x).softmax(1) for _ in range(5)]).mean(0)
            print((mean.argmax(1) == y).float().mean())
"""
STATISTICS_ANEW = """
normed = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
opt = torch.optim.SGD([*net.parameters(), *normed.parameters()], lr=0.1)
def train():
    for x, y in loader:
        opt.zero_grad()
        F.cross_entropy(net(x) + normed(x), y).backward()
        opt.step()
for epoch in range(3):
    train()
    with torch.no_grad():
        for x, _ in DataLoader(TensorDataset(features), 64):
            normed(x)
    switch(False)
    normed.eval()
    with torch.no_grad():
        right(lambda x: net(x) + normed(x))
    switch(True)
    normed.train()
"""
NO_MODE = """
net = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    train()
    with torch.no_grad():
        right(net)
"""
# The second loader's batches are labelled by the model itself and trained on.
PSEUDO_LABELS = """
for epoch in range(3):
    for (x, y), (other, _) in zip(loader, held_out):
        with torch.no_grad():
            pseudo = net(other).argmax(1)
        opt.zero_grad()
        (F.cross_entropy(net(x), y) + F.cross_entropy(net(other), pseudo)).backward()
        opt.step()
"""


@pytest.mark.parametrize(
    ("script", "name", "part"),
    [
        (NEVER_SWITCHED, "missing-eval-mode", "scores = what(x)"),
        (COLLECTED, "missing-eval-mode", "# here"),
        (BY_HAND, "missing-eval-mode", "# here"),
        (NOT_RESTORED, "missing-train-mode", "# here"),
    ],
)
def test_a_mode_that_was_forgotten(script: str, name: str, part: str, tmp_path: Path) -> None:
    text = HEAD + NET + script
    findings = found(tmp_path, text, "NNL303", "NNL304")
    assert [finding.name for finding in findings] == [name]
    if name == "missing-eval-mode":
        assert findings[0].span.start.row == row(text, part)
    else:
        # The switch is in a function; what called it is not what has to be changed.
        assert findings[0].span.start.row == row(text, "getattr(parts")


@pytest.mark.parametrize("script", [SOUND, MONTE_CARLO, STATISTICS_ANEW, NO_MODE, PSEUDO_LABELS])
def test_a_mode_that_is_right(script: str, tmp_path: Path) -> None:
    assert found(tmp_path, HEAD + NET + script, "NNL303", "NNL304") == []
