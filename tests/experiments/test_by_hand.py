"""Scripts that train without an optimizer, and what the experiments say of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from seeing import HEAD, found

FROM_GRAD = """
net = nn.Linear(8, 2)
for step in range(100):
    loss = F.cross_entropy(net(features), labels)
    parameters = list(net.parameters())
    with torch.no_grad():
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter -= 0.5 * gradient
"""
FROM_BACKWARD = """
net = nn.Linear(8, 2)
for step in range(100):
    net.zero_grad()
    F.cross_entropy(net(features), labels).backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= 0.5 * parameter.grad
"""


@pytest.mark.parametrize("script", [FROM_GRAD, FROM_BACKWARD])
def test_a_sound_script_is_left_in_peace(script: str, tmp_path: Path) -> None:
    assert found(tmp_path, HEAD + script, "overfit-small-batch", "input-independent-baseline") == []
