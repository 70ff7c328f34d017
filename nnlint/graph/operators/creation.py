"""Operators that make tensors and read at most the size of others."""

from __future__ import annotations

from nnlint.graph.axes import Value, plain
from nnlint.graph.call import Call
from nnlint.graph.operators.registry import rule


@rule(
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like",
    "new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided", "uniform",
    "random", "zero", "resize", "eye",
    "tril_indices", "triu_indices", fresh=True,
)  # fmt: skip
def made(call: Call) -> Value:
    """New numbers."""
    return Value(plain(call.shape))


@rule("arange", "range", always=True)
def counted(call: Call) -> Value:
    """0, 1, 2 …, which may stand for the positions of an axis."""
    start, step = call.arg("start") or 0, call.arg("step")
    plainly = start == 0 and step in (None, 1)
    return Value(plain(call.shape), counts=plainly and len(call.shape) == 1)


@rule("randperm", always=True)
def shuffled(call: Call) -> Value:
    """Positions in random order."""
    return Value(plain(call.shape))
