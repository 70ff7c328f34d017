"""A loss that is nothing but minus an error written by hand, and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from nnlint.capture.hearing import LossMode
from nnlint.capture.written import WrittenErrors

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _flipped(loss_of: Loss) -> bool:
    torch.manual_seed(0)
    weight = torch.randn(3, 2, requires_grad=True)
    inputs, target = torch.randn(8, 3), torch.rand(8, 2)
    written = WrittenErrors()
    with LossMode(written):
        loss = loss_of(inputs @ weight, target)
    return written.flipped(loss)


def _squared(error: torch.Tensor) -> torch.Tensor:
    return error * error


def _contrastive(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    different = (target[:, 0] > 0.5).float()
    distance = functional.pairwise_distance(out[:, :1], out[:, 1:])
    hinge = torch.clamp(4.0 - distance, min=0.0)
    return ((1 - different) * distance.pow(2) + different * hinge.pow(2)).mean()


ERRORS: dict[str, Loss] = {
    "squares": lambda out, target: ((out - target) ** 2).mean(),
    "the other way round": lambda out, target: (target - out).square().sum() / 8,
    "product": lambda out, target: _squared(out - target).mean(),
    "sizes": lambda out, target: (out - target).abs().mean(),
    "norm": lambda out, target: (out - target).norm(dim=1).mean(),
    "terms and a penalty": lambda out, target: ((out - target) ** 2).mean() + 0.1 * out.pow(2).mean(),
    "margin": _contrastive,
}


@pytest.mark.parametrize("name", ERRORS)
def test_minus_an_error_is_flipped_and_the_error_is_not(name: str) -> None:
    assert _flipped(lambda out, target: -ERRORS[name](out, target))
    assert not _flipped(ERRORS[name])


OTHERS: dict[str, Loss] = {
    "likelihood": lambda out, target: -(-((out - target) ** 2) / 2 - 0.9).mean(),
    "reward": lambda out, target: -(-(out - target).pow(2)).sum(),
    "kernel": lambda out, target: -torch.exp(-(out - target).pow(2)).mean(),
    "share explained": lambda out, target: -(1 - (out - target).pow(2).sum() / target.pow(2).sum()),
    "variance": lambda out, _: -(out - out.mean(0)).pow(2).mean(),
    "size alone": lambda out, _: -out.pow(2).mean(),
    "overlap": lambda out, target: -2 * (out.sigmoid() * target).sum() / (out.sigmoid() + target).sum(),
    "pulled as well": lambda out, target: (out - target).pow(2).mean() - 0.1 * (out - 1).pow(2).mean(),
    "beside another term": lambda out, target: -(out - target).pow(2).mean() + out.exp().mean(),
    "odd power": lambda out, target: -(out - target).pow(3).mean(),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_a_minus_for_another_reason_is_not(name: str) -> None:
    assert not _flipped(OTHERS[name])
