"""Models that are compiled, and operators that are not torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nnlint.graph.record import record
from nnlint.graph.step import GraphStep

X = torch.randn(7, 5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("made", "more"), [(torch.jit.script, ()), (torch.jit.trace, (X,)), (torch.compile, ())]
)
def test_scripted_traced_and_compiled_models_are_followed(made: Any, more: Any) -> None:
    net = made(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), *more)
    step = GraphStep(record(lambda: net(X).sum(), {"x": X}, [net]))
    assert step.not_followed() == []
    assert [step.batch_places(output.ref) for output in step.predictions] == [(0,)]
    assert sum(node.op == "parameter" for node in step.nodes) == 4


def test_an_operator_of_the_user_s_own_is_named() -> None:
    @torch.library.custom_op("nnlint_tests::turned", mutates_args=())  # type: ignore[untyped-decorator,unused-ignore]
    def turned(x: torch.Tensor) -> torch.Tensor:
        return x.flip(0)

    step = GraphStep(record(lambda: turned(X).softmax(0).sum(), {"x": X}))
    assert step.not_followed() == ["not known to nnlint, and nothing is said of what follows: turned (1)"]
    assert not step.mixings
