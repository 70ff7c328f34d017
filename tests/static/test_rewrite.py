"""What fixes ask of the syntax."""

from __future__ import annotations

import libcst as cst
import pytest
from reading import model_of

from nnlint.static.imports import binds
from nnlint.static.rewrite import functional, mentions


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import torch", "torch.nn.functional"),
        ("import torch as th", "th.nn.functional"),
        ("import torch.nn as nn", "nn.functional"),
        ("from torch import nn", "nn.functional"),
        ("import torch.nn.functional as F", "F"),
        ("from torch.nn import functional as nnf", "nnf"),
        ("import numpy", None),
    ],
)
def test_the_functional_module_is_spelled_as_the_file_does(text: str, name: str | None) -> None:
    assert functional(model_of(text)) == name


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("x.copy()", False),
        ("f(copy=True)", False),
        ("f(copy)", True),
        ("def f(copy): pass", True),
        ("import copy", True),
        ("for copy in x: pass", True),
    ],
)
def test_a_name_that_may_mean_something_is_bound(text: str, bound: bool) -> None:
    assert binds(cst.parse_module(text), "copy") is bound


def test_mentions_are_counted() -> None:
    assert mentions(cst.parse_module("p = f(p)\nq.p"), "p") == 3
