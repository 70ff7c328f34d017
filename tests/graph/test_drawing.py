"""The picture of a step."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from nnlint.graph.drawing import drawing
from nnlint.graph.listing import listing
from nnlint.graph.record import record
from nnlint.graph.step import GraphStep


def _deep(layers: int) -> GraphStep:
    net = nn.Sequential(
        *[nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(layers)], nn.Linear(8, 3)
    )
    x, y = torch.randn(7, 5, 8), torch.randint(0, 3, (7, 5))

    def step() -> None:
        torch.autograd.backward(F.cross_entropy(net(x).flatten(0, 1), y.flatten()))

    return GraphStep(record(step, {"x": x, "y": y}, [net]))


def test_each_tensor_of_the_batch_is_a_box_of_its_own_where_modules_are_boxes() -> None:
    step = _deep(12)
    text = drawing(step)
    assert text.count(" operations") > 10
    boxes = [line for line in text.splitlines() if 'fillcolor="#fae8ff"' in line]
    assert ["<b>x</b>" in box or "<b>y</b>" in box for box in boxes] == [True, True]
    rows = list(listing(step).columns[1].cells)
    assert [str(cell) for cell in rows[:2]] == ["the script", "the script"]
    assert [str(cell) for cell in list(listing(step).columns[2].cells)[:2]] == ["x", "y"]


def test_operators_are_called_as_users_call_them() -> None:
    text = drawing(_deep(1))
    for name in ("scaled_dot_product_attention", "layer_norm", "log_softmax", "nll_loss"):
        assert f"<b>{name}</b>" in text
