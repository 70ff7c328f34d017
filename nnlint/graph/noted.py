"""What a transfer rule needs to know of a call beside its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

aten = torch.ops.aten
NOTED = frozenset({aten._pack_padded_sequence.default, aten.as_strided.default})


def noted(function: Any, args: Sequence[Any], results: Sequence[torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """For those NOTED, by name: the `rows` of each step of packed sequences, the `strides` before others."""
    if function is aten._pack_padded_sequence.default and type(results[1]) is torch.Tensor:
        return {"rows": tuple(results[1].tolist())}
    return {"strides": tuple(args[0].stride())} if function is aten.as_strided.default else {}
