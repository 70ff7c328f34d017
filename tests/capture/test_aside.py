"""Modes of nnlint are set aside while an optimizer of torch steps, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from nnlint.capture.aside import Aside
from nnlint.capture.hearing import LossMode
from nnlint.capture.undropped import UndroppedMode


class Foreign(TorchFunctionMode):
    """A mode of the script's own."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


class Own(SGD):
    """An optimizer of the script's own, which may call the model within its step."""


def _stack() -> list[Any]:
    return list(_get_current_function_mode_stack())  # type: ignore[no-untyped-call]


@pytest.fixture
def modes() -> Iterator[list[Any]]:
    with UndroppedMode(), LossMode():
        yield _stack()


def _optimizer(kind: type[SGD] = SGD) -> SGD:
    return kind([nn.Parameter(torch.zeros(1))], lr=0.1)


def test_they_are_down_during_a_step_and_up_again_in_order(modes: list[Any]) -> None:
    aside, optimizer = Aside(), _optimizer()
    aside.take(optimizer, (optimizer,), {})
    assert _stack() == []
    aside.back()
    assert _stack() == modes
    aside.back()
    assert _stack() == modes


def test_a_step_that_has_raised_does_not_lose_them(modes: list[Any]) -> None:
    aside, optimizer = Aside(), _optimizer()
    for _ in range(2):
        aside.take(optimizer, (optimizer,), {})
    aside.back()
    assert _stack() == modes


def test_they_stay_where_code_of_the_script_runs_within_the_step(modes: list[Any]) -> None:
    aside, optimizer, own = Aside(), _optimizer(), _optimizer(Own)
    for subject, args, kwargs in (
        (optimizer, (optimizer, lambda: None), {}),
        (optimizer, (optimizer,), {"closure": lambda: None}),
        (own, (own,), {}),
    ):
        aside.take(subject, args, kwargs)
        assert _stack() == modes
    with Foreign():
        aside.take(optimizer, (optimizer,), {})
        assert len(_stack()) == 3
