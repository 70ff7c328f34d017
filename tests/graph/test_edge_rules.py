"""Rules on numbers that reach the edge of an operator's domain, in recorded steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from looked import Looked, check

pytestmark = pytest.mark.filterwarnings("ignore")


def step(loss: str) -> str:
    return f"""
    x, y = torch.randn(7, 8), torch.rand(7, 3)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    def step():
        optimizer.zero_grad()
        out = net(x)
        {loss}
        loss.backward()
        optimizer.step()
    """


BAD = {
    "unsafe-log": [
        "loss = -(y * torch.log(F.softmax(out, 1))).sum()",
        "loss = -(y * out.sigmoid().log()).mean()",
        "loss = torch.relu(out).log2().sum()",
        "loss = (out ** 2).sum(1).log().mean()",
    ],
    "unsafe-division": [
        "loss = (out / out.norm(dim=1, keepdim=True)).sum()",
        "loss = (out / torch.relu(out).sum(1, keepdim=True)).sum()",
        "loss = ((out - out.mean(0)) / out.std(0)).sum()",
    ],
    "infinite-gradient-root": [
        "loss = ((out - y) ** 2).sum(1).sqrt().mean()",
        "loss = (torch.relu(out) ** 0.5).sum()",
        "loss = torch.sqrt(out[:, 0] ** 2 + out[:, 1] ** 2).sum()",
    ],
    "inverse-trig-edge": [
        "loss = torch.acos(F.cosine_similarity(out, y)).sum()",
        "loss = torch.acos((F.normalize(out) * F.normalize(y)).sum(1)).sum()",
    ],
    "exp-overflow": [
        "loss = (out.exp() / out.exp().sum(1, keepdim=True) * y).sum()",
        "loss = (1 / (1 + torch.exp(-out)) * y).sum()",
        "loss = torch.log(torch.exp(out).sum(1)).sum()",
        "loss = torch.log(1 + torch.exp(out)).sum()",
        "loss = torch.log1p(torch.exp(2 * out)).sum()",
    ],
    "where-nan-gradient": [
        "loss = torch.where(out > 0, torch.sqrt(out), 0.0).sum()",
        "loss = torch.where(out == 0, torch.zeros_like(out), y / out).sum()",
    ],
}


@pytest.mark.parametrize(("name", "loss"), [(name, loss) for name, losses in BAD.items() for loss in losses])
def test_an_edge_is_told(name: str, loss: str, tmp_path: Path) -> None:
    check(name, step(f"{loss}  # {name}"), tmp_path)


@pytest.mark.parametrize(
    "loss",
    [
        "loss = -(y * torch.log(F.softmax(out, 1) + 1e-8)).sum()",
        "loss = -(y * out.sigmoid().clamp(1e-6, 1).log()).mean() + out.exp().log().sum()",
        "loss = F.normalize(out).sum() + (out / out.norm().clamp(min=1e-6)).sum()",
        "loss = (out / (out.std(0) + 1e-6)).sum() + F.cosine_similarity(out, y).sum()",
        "loss = F.mse_loss(out, y).sqrt() + ((out - y).pow(2).sum(1) + 1e-8).sqrt().sum()",
        "loss = torch.acos(F.cosine_similarity(out, y).clamp(-0.999, 0.999)).sum()",
        "loss = torch.exp(0.5 * out[:, 0]).sum() + torch.exp(-(out ** 2)).sum()",
        "high = out - out.max(); loss = (high.exp() / high.exp().sum() * y).sum()",
        "safe = torch.where(out > 0, out, 1.0); loss = torch.where(out > 0, safe.sqrt(), 0.0).sum()",
        "loss = F.layer_norm(out, (3,)).sum() + F.pairwise_distance(out, y).sum()",
        "loss = out.sum(); print(torch.relu(out).log().mean(), (out.detach() ** 2).sum(1).sqrt().mean())",
        "loss = torch.distributions.Normal(out, F.softplus(out)).log_prob(y).sum()",
        "loss = torch.distributions.kl_divergence(torch.distributions.Categorical(out.softmax(1)), "
        "torch.distributions.Categorical(y)).sum()",
    ],
)
def test_what_is_safe_is_left_alone(loss: str, tmp_path: Path) -> None:
    found = Looked(step(loss), tmp_path).graph
    assert [finding.message for finding in found if finding.name in BAD] == []
