"""The bounds of each loss, against a search over predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from nnlint.capture.chance import loss_call

torch.manual_seed(3)
CLASSES = torch.tensor([0, 2, 1, 1, 2, 1, 0, 1])
SOFT = torch.randn(8, 3).softmax(1)
BITS = torch.randint(0, 2, (8, 3)).float()
LISTS = torch.tensor(
    [[0, 2, -1], [1, -1, 0], [1, 0, -1], [2, -1, -1], [1, 2, -1], [1, -1, 2], [1, 0, -1], [0, -1, 1]]
)
VALUES = torch.randn(8, 3) * 2 + 1

CALLS: dict[str, tuple[Callable[..., torch.Tensor], torch.Tensor, dict[str, Any]]] = {
    "classes": (F.cross_entropy, CLASSES, {}),
    "classes, smoothed": (F.cross_entropy, CLASSES, {"label_smoothing": 0.2}),
    "classes, weighed": (F.cross_entropy, CLASSES, {"weight": torch.tensor([1.0, 5.0, 0.5])}),
    "classes, some ignored": (F.cross_entropy, CLASSES, {"ignore_index": 2, "reduction": "sum"}),
    "soft labels": (F.cross_entropy, SOFT, {}),
    "bits": (F.binary_cross_entropy_with_logits, BITS, {}),
    "bits, weighed": (
        F.binary_cross_entropy_with_logits,
        BITS,
        {"pos_weight": torch.tensor([2.0, 1.0, 9.0])},
    ),
    "soft bits": (F.binary_cross_entropy_with_logits, BITS * 0.8 + 0.1, {}),
    "margins": (F.multi_margin_loss, CLASSES, {}),
    "wide margins, summed": (F.multi_margin_loss, CLASSES, {"margin": 2.0, "reduction": "sum"}),
    "signs": (F.soft_margin_loss, BITS * 2 - 1, {}),
    "margins of several labels": (F.multilabel_margin_loss, LISTS, {}),
    "several labels": (F.multilabel_soft_margin_loss, BITS, {}),
    "squares": (F.mse_loss, VALUES, {}),
    "absolute values": (F.l1_loss, VALUES, {"reduction": "sum"}),
}


def _search(call: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> float:
    """The lowest loss that gradient descent finds from here."""
    free = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([free], lr=0.2)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.2 * 0.99**step
        optimizer.zero_grad()
        call(free).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(call(free.detach()).sum())


@pytest.mark.parametrize("name", CALLS)
def test_no_prediction_does_better_than_the_floor_and_no_constant_than_chance(name: str) -> None:
    function, target, options = CALLS[name]
    call = loss_call(function, (torch.zeros(8, 3), target), options)
    assert call is not None
    bounds = call.bounds()
    assert bounds is not None
    floor, chance = float(bounds.floor.sum()), float(bounds.chance.sum())
    constant = _search(lambda row: call.of(row.expand(8, 3)), torch.zeros(1, 3))
    assert chance == pytest.approx(constant, rel=0.02, abs=1e-3)
    free = _search(call.of, torch.zeros(8, 3))
    assert floor == pytest.approx(free, rel=0.02, abs=0.02)
    assert floor < 0.95 * chance


def test_probabilities_and_log_probabilities_are_bounded_as_logits_are() -> None:
    logits = loss_call(F.cross_entropy, (torch.zeros(8, 3), CLASSES), {})
    logs = loss_call(F.nll_loss, (torch.zeros(8, 3), CLASSES), {})
    assert logits is not None
    assert logs is not None
    assert logits.bounds() is not None
    assert float(logs.bounds().chance) == pytest.approx(float(logits.bounds().chance))  # type: ignore[union-attr]
    assert float(logs.bounds().floor) == pytest.approx(0.0, abs=1e-6)  # type: ignore[union-attr]


def test_distances_are_bounded_where_none_is_below_zero() -> None:
    for share, options in ((6, {}), (2, {"margin": 3.0})):
        target = torch.tensor([1.0] * share + [-1.0] * (8 - share))
        call = loss_call(F.hinge_embedding_loss, (torch.zeros(8), target), options)
        assert call is not None
        bounds = call.bounds()
        assert bounds is not None
        constants = [float(call.of(torch.full((8,), 0.05 * at))) for at in range(100)]
        assert float(bounds.chance) == pytest.approx(min(constants), rel=1e-4)
        assert float(bounds.floor) == 0.0


def test_a_teacher_is_the_floor_of_a_divergence() -> None:
    call = loss_call(F.kl_div, (torch.zeros(8, 3), SOFT), {"reduction": "batchmean"})
    assert call is not None
    bounds = call.bounds()
    assert bounds is not None
    assert float(bounds.floor) == pytest.approx(0.0, abs=1e-6)
    mean = SOFT.mean(0)
    assert float(bounds.chance) == pytest.approx(float((SOFT * (SOFT / mean).log()).sum(1).mean()), rel=1e-4)


def test_sequences_and_images_have_bounds() -> None:
    target = torch.randint(0, 4, (6, 5))
    call = loss_call(F.cross_entropy, (torch.zeros(6, 4, 5), target), {})
    assert call is not None
    bounds = call.bounds()
    assert bounds is not None
    shares = torch.bincount(target.flatten(), minlength=4) / 30
    assert float(bounds.chance) == pytest.approx(
        float(-(shares * shares.clamp_min(1e-9).log()).sum()), rel=1e-4
    )
    assert float(bounds.floor) < 1e-3


def test_other_functions_have_no_bounds() -> None:
    assert loss_call(F.relu, (torch.zeros(3),), {}) is None
    assert loss_call(F.mse_loss, (torch.zeros(3),), {}) is None
    squared = loss_call(F.multi_margin_loss, (torch.zeros(8, 3), CLASSES), {"p": 2})
    assert squared is not None
    assert squared.bounds() is None
