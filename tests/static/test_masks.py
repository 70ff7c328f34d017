"""What True means in a mask, read from how it is made or used."""

from __future__ import annotations

import pytest
from reading import model_of

from nnlint.static.masks import Masks

CODE = """
    import torch
    import torch.nn.functional as F

    PAD = 0

    def attend(q: torch.Tensor, tokens: torch.Tensor, lengths: torch.Tensor, mask: torch.Tensor, dtype=None):
        n = tokens.size(1)
        past = torch.tril(torch.ones(n, n))
        scores = q @ q.transpose(1, 2)
        {before}
        return F.scaled_dot_product_attention(q, q, q, attn_mask={mask})
"""


def _meaning(mask: str, before: str = "pass") -> tuple[bool, bool | None] | None:
    script = model_of(CODE.format(mask=mask, before=before))
    (call,) = script.calls_of("scaled_dot_product_attention")
    found = Masks(script).meaning(call.kwargs["attn_mask"])
    return (found.blocks, found.boolean) if found is not None else None


@pytest.mark.parametrize(
    ("mask", "blocks"),
    [
        ("tokens == PAD", True),
        ("(tokens != PAD)[:, None, :]", False),
        ("~(tokens.eq(PAD).unsqueeze(1))", False),
        ("torch.arange(n)[None, :] >= lengths[:, None]", True),
        ("lengths.unsqueeze(1) > torch.arange(n)", False),
        ("past.bool()", False),
        ("past == 0", True),
        ("torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)", True),
        ("past.bool() & (tokens != PAD)[:, None]", False),
    ],
)
def test_a_boolean_mask_says_what_it_means_by_how_it_is_made(mask: str, blocks: bool) -> None:
    assert _meaning(mask) == (blocks, True)


@pytest.mark.parametrize("mask", ["past", "(tokens != PAD).float()", "1 - past"])
def test_zeros_and_ones_are_no_booleans(mask: str) -> None:
    found = _meaning(mask)
    assert found is not None
    assert found[1] is False


@pytest.mark.parametrize(
    "mask",
    [
        "mask",
        "past.t().bool()",
        "(tokens != PAD).to(dtype)",
        "past.masked_fill(past == 0, float('-inf'))",
        "(1 - past) * -1e9",
        "past.bool() & (tokens == PAD)[:, None]",
        "torch.tril(torch.ones(n, n), diagonal=-1).bool()",
        "torch.arange(n) < mask",
    ],
)
def test_what_the_file_does_not_say_is_not_known(mask: str) -> None:
    assert _meaning(mask) is None


def test_another_use_of_the_same_mask_tells() -> None:
    fill = "scores = scores.masked_fill({}, float('-inf'))"
    assert _meaning("mask", fill.format("mask")) == (True, True)
    assert _meaning("~mask", fill.format("mask.unsqueeze(1)")) == (False, True)
    assert _meaning("mask", fill.format("mask == 0")) is None
    assert _meaning("mask", fill.format("mask") + "; scores = scores.masked_fill(~mask, -1e9)") is None
