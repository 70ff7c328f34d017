"""Writes in place and through views: the recorded graph computed again gives what the step gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay import replay

from nnlint.graph.record import record

Tensor = Any
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "t": lambda x: x.transpose(0, -1) if x.dim() else x,
    "permute": lambda x: x.permute(*range(1, x.dim()), 0) if x.dim() else x,
    "select": lambda x: x[0] if x.dim() and len(x) else x,
    "last": lambda x: x.select(-1, -1) if x.dim() and x.shape[-1] else x,
    "slice": lambda x: x[..., 1:3] if x.dim() else x,
    "stride": lambda x: x[::2] if x.dim() else x,
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "squeeze": lambda x: x.squeeze(),
    "flatten": lambda x: x.view(-1) if x.is_contiguous() else x.reshape(-1),
    "split": lambda x: x.split(2, -1)[-1] if x.dim() and x.shape[-1] else x,
    "split sizes": lambda x: x.split([1, len(x) - 1])[1] if x.dim() and len(x) > 1 else x,
    "chunk": lambda x: x.chunk(2)[-1] if x.dim() and len(x) > 1 else x,
    "unbind": lambda x: x.unbind(-1)[-1] if x.dim() and x.shape[-1] else x,
    "diagonal": lambda x: x.diagonal() if x.dim() > 1 else x,
    "narrow": lambda x: x.narrow(-1, 1, 1) if x.dim() and x.shape[-1] > 1 else x,
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "alias": lambda x: x.view_as(x),
    "clone": lambda x: x.clone(),
    "expand": lambda x: (x.unsqueeze(0).expand(3, *x.shape)).sum(0),
    # What was written through these is put back by addresses: the same only in a whole that lies as it did.
    "unfold": lambda x: x.unfold(0, 2, 2) if x.is_contiguous() and x.shape == (4, 6) else x,
    "strided": lambda x: x.as_strided((2, 3), (1, 2)) if x.is_contiguous() and x.numel() == 24 else x,
}
WRITES: dict[str, Callable[[Tensor, Tensor], object]] = {
    "add_": lambda x, _: x.add_(1),
    "mul_": lambda x, _: x.mul_(2),
    "fill_": lambda x, _: x.fill_(3),
    "zero_": lambda x, _: x.zero_(),
    "item": lambda x, _: x.__setitem__(0, 5.0) if x.dim() and len(x) else None,
    "copy_": lambda x, y: x.copy_(y.mean()),
    "augmented": lambda x, y: x.__iadd__(y.sum()),
    "masked": lambda x, _: x.masked_fill_(x > 2, 0.5),
    "out": lambda x, _: torch.add(x.clone(), 1, out=x) if x.is_contiguous() else None,
    "transpose_": lambda x, _: x.transpose_(0, -1) if x.dim() else None,
    "unsqueeze_": lambda x, _: x.unsqueeze_(0) if x.dim() < 4 else None,
    "tanh_": lambda x, _: x.tanh_(),
}
ACTIONS = st.tuples(st.sampled_from([*VIEWS, *WRITES]), st.integers(0, 9), st.integers(0, 9))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=1, max_size=12))
def test_any_order_of_views_and_writes(actions: list[tuple[str, int, int]]) -> None:
    x = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    x_before = x.clone()

    def step() -> list[Tensor]:
        pool = [x.clone(), torch.zeros(4, 6)]
        for name, first, second in actions:
            chosen, other = pool[first % len(pool)], pool[second % len(pool)]
            if name in VIEWS:
                pool.append(VIEWS[name](chosen))
            else:
                WRITES[name](chosen, other)
        return pool

    pool: list[Tensor] = []

    def kept() -> list[Tensor]:
        pool.extend(step())
        return pool

    graph = record(kept, {"x": x})
    assert not graph.unseen
    again = replay(graph, {"x": x_before})
    assert len(again) == len(pool)
    for one, other in zip(again, pool, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_write_through_a_view_is_seen_by_those_who_read_the_whole() -> None:
    x = torch.randn(7, 5)

    def step() -> Tensor:
        whole = torch.zeros(7, 5)
        whole[:, 0] = x[:, 0]
        return whole * 2

    graph = record(step, {"x": x})
    ops = [node.op for node in graph.nodes]
    assert "aten.select_scatter.default" in ops
    product = graph.nodes[graph.outputs[0].ref.node]
    assert graph.nodes[product.arguments["self"].node].op == "aten.select_scatter.default"


def test_a_write_to_memory_that_two_inputs_share_is_told() -> None:
    both = torch.randn(14, 5)
    x, y = both[:7], both.view(-1)[35:].view(7, 5)

    def step() -> Tensor:
        x.add_(1)
        return x + y

    graph = record(step, {"x": x, "y": y})
    assert graph.unseen
    assert "unseen" in [node.op for node in graph.nodes]
