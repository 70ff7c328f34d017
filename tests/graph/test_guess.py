"""N where no loader gives the batch: told only where nothing else can be meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from nnlint.graph.guess import with_batch
from nnlint.graph.record import record
from nnlint.graph.step import GraphStep


def guessed(net: nn.Module, loss: Callable[[Any], torch.Tensor]) -> GraphStep:
    graph = record(lambda: loss(net).backward(), {}, [net])
    assert graph.batch == 0
    return GraphStep(with_batch(graph))


class Last(nn.Module):
    """Tags the last of a sequence."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.emb, self.out = nn.Embedding(20, 8), nn.Linear(8, 3)
        self.rnn = nn.GRU(8, 8, batch_first=batch_first)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        state = self.rnn(self.emb(tokens))[1]
        return self.out(state[-1])


X, Y, LABELS = torch.randn(11, 4), torch.randn(11, 1), torch.randint(0, 3, (11,))
MANY, MANY_LABELS, ORDER = torch.randn(90, 4), torch.randint(0, 3, (90,)), torch.randperm(90)[:11]
WORDS = torch.randint(0, 20, (11, 6))


@pytest.mark.parametrize(
    ("net", "loss"),
    [
        (nn.Linear(4, 3), lambda net: F.cross_entropy(net(X), LABELS)),
        (nn.Linear(4, 1), lambda net: F.mse_loss(net(X), Y)),
        (nn.Linear(4, 1), lambda net: ((net(X) - Y) ** 2).mean()),
        (nn.Linear(4, 1), lambda net: F.mse_loss(net(X), Y[:, 0])),
        (nn.Linear(4, 1), lambda net: F.binary_cross_entropy_with_logits(net(X).squeeze(1), Y[:, 0])),
        (nn.Linear(4, 3), lambda net: F.cross_entropy(net(MANY[ORDER]), MANY_LABELS[ORDER])),
        (nn.Linear(4, 3), lambda net: F.cross_entropy(net(MANY[11:22]), MANY_LABELS[11:22])),
        (Last(), lambda net: F.cross_entropy(net(WORDS), LABELS)),
        (Last(batch_first=False), lambda net: F.cross_entropy(net(WORDS.t()), LABELS)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_inputs_targets_and_loss_share_an_axis(net: nn.Module, loss: Any) -> None:
    step = guessed(net, loss)
    assert step.graph.batch == 11
    assert step.batch_places(step.predictions[0].ref) == (0,)
    assert step.cross_batch == frozenset()


def test_a_bug_shows_by_it() -> None:
    meetings = guessed(nn.Linear(4, 1), lambda net: ((net(X) - Y[:, 0]) ** 2).mean()).meetings
    assert len(meetings) == 1


class Graphs(nn.Module):
    """A graph network: rows are nodes, and neighbours are meant to reach each other."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 3)
        self.register_buffer("joined", torch.eye(11))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.joined @ self.lin(x)


class Whole(nn.Module):
    """One sequence in one piece: rows are moments."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0]


@pytest.mark.parametrize(
    ("net", "loss"),
    [
        (Graphs(), lambda net: F.cross_entropy(net(X), LABELS)),
        (Whole(), lambda net: F.cross_entropy(net(X), LABELS)),
        # Time may come first.
        (nn.LSTM(4, 1), lambda net: F.mse_loss(net(torch.randn(11, 5, 4))[0], torch.randn(11, 5, 1))),
        (nn.Linear(11, 1), lambda net: F.mse_loss(net(torch.randn(11, 11)), Y)),
        (nn.Linear(4, 3), lambda net: net(X).sum()),
    ],
)
def test_nothing_is_said_where_rows_may_be_something_else(net: nn.Module, loss: Any) -> None:
    assert guessed(net, loss).graph.batch == 0
