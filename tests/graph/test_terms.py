"""The summands of a recorded loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnlint.graph.record import record
from nnlint.graph.step import GraphStep
from nnlint.graph.terms import loss_terms

Loss = Callable[[torch.Tensor, torch.Tensor, nn.Linear], torch.Tensor]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda p, y, _: functional.mse_loss(p, y), [("mse_loss", 1.0)]),
        (
            lambda p, y, net: functional.mse_loss(p, y) + 0.01 * net.weight.pow(2).sum(),
            [("mse_loss", 1.0), ("sum", 0.01)],
        ),
        (
            lambda p, y, _: (functional.mse_loss(p, y) - p.mean() / 4) / 2,
            [("mse_loss", 0.5), ("mean", -0.125)],
        ),
        (
            lambda p, y, net: sum([functional.mse_loss(p, y), p.abs().mean(), -net.bias.sum()]),
            [("mse_loss", 1.0), ("mean", 1.0), ("sum", -1.0)],
        ),
        (lambda p, y, net: functional.mse_loss(p, y) * net.bias.sum(), [("mul", 1.0)]),
    ],
)  # fmt: skip
def test_the_terms_of_a_loss_with_their_factors(loss: Loss, expected: list[tuple[str, float]]) -> None:
    net, x, y = nn.Linear(3, 1), torch.randn(5, 3), torch.randn(5, 1)

    def run() -> torch.Tensor:
        value = loss(net(x), y, net)
        value.backward()
        return value

    step = GraphStep(record(run, {"x": x, "y": y}, [net]))
    found = loss_terms(step, step.losses[0].ref)
    assert [(step.operator(term.ref.node), term.factor) for term in found] == [
        (name, pytest.approx(factor)) for name, factor in expected
    ]
