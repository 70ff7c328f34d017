"""Dropout is off in every form, and nothing else changes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nnlint.capture.undropped import UndroppedMode

torch.manual_seed(0)
ROWS = torch.randn(4, 6, 8)


def test_dropout_in_every_form() -> None:
    models = (
        nn.Dropout(0.5),
        nn.AlphaDropout(0.5),
        nn.LSTM(8, 8, num_layers=2, dropout=0.5, batch_first=True),
        nn.GRU(8, 8, num_layers=2, dropout=0.5),
        nn.TransformerEncoderLayer(8, 2, dropout=0.5, batch_first=True),
    )
    for model in models:
        model.train()
        with UndroppedMode():
            trained = model(ROWS)
        expected = model.eval()(ROWS)
        if isinstance(trained, tuple):
            trained, expected = trained[0], expected[0]
        assert torch.allclose(trained, expected, atol=1e-5), type(model).__name__


def test_functions() -> None:
    heads = ROWS.unsqueeze(1)
    with UndroppedMode():
        assert torch.equal(functional.dropout(ROWS, 0.9), ROWS)
        assert torch.equal(functional.dropout(p=0.9, input=ROWS), ROWS)
        assert torch.equal(torch.dropout(ROWS, 0.9, True), ROWS)
        for attention in (
            functional.scaled_dot_product_attention(heads, heads, heads, None, 0.9),
            functional.scaled_dot_product_attention(heads, heads, heads, dropout_p=0.9),
        ):
            plain = functional.scaled_dot_product_attention(heads, heads, heads)
            assert torch.allclose(attention, plain, atol=1e-6)
    assert not torch.equal(functional.dropout(ROWS, 0.9), ROWS)
