"""Attention that a file writes out."""

from __future__ import annotations

from reading import model_of

from nnlint.static.attention import attentions, normalised


def attention(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f"import torch\nimport torch.nn.functional as F\ndef attend(q: torch.Tensor, k, v, masks):\n{lines}\n"
    )


def test_masks_one_after_another_are_read_once_each() -> None:
    masks = "".join(
        f"if masks[{i}] is not None:\n    scores = scores.masked_fill(masks[{i}], -1e9)\n" for i in range(25)
    )
    script = model_of(
        attention(
            f"scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5\n{masks}return scores.softmax(-1) @ v"
        )
    )
    (found,) = attentions(script)
    assert [factor.exponent for factor in found.factors] == [-0.5]


def test_normalised_queries() -> None:
    product = "return (q @ k.transpose(-2, -1) * 8 ** 0.5).softmax(-1) @ v"
    for line, cosine in (
        ("q = F.normalize(q, dim=-1)", True),
        ("q = q / q.norm(dim=-1, keepdim=True)", True),
        ("q = q * 2", False),
    ):
        (found,) = attentions(model_of(attention(f"{line}\n{product}")))
        assert normalised(found.query) is cosine
