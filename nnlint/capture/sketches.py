"""Tensors in a few numbers that another process can compare with its own."""

from __future__ import annotations

import math

import torch

from nnlint.experiments.reference import Sketch

_PRODUCTS = 8
# Of a larger tensor, evenly spaced elements are taken.
_MOST = 1 << 17


class Sketches:
    """Makes sketches; the vectors of signs are drawn once for each number of elements."""

    def __init__(self) -> None:
        self._signs: dict[int, torch.Tensor] = {}

    def of(self, tensor: torch.Tensor) -> Sketch:
        """The sketch of any tensor."""
        shape = tuple(tensor.shape)
        dtype = str(tensor.dtype).removeprefix("torch.")
        with torch.no_grad():
            values = tensor.detach()
            if values.is_sparse:
                values = values.to_dense()
            if values.is_complex():
                values = torch.view_as_real(values)
            values = values.reshape(-1).to("cpu", torch.float64)
            norm = float(torch.linalg.vector_norm(values))
            step = math.ceil(len(values) / _MOST) if len(values) > _MOST else 1
            values = values[::step]
            # A part speaks for the whole by as much as it is smaller.
            products = (self._drawn(len(values)) @ values) * math.sqrt(step)
        return Sketch(shape, dtype, norm, tuple(float(product) for product in products))

    def _drawn(self, number: int) -> torch.Tensor:
        if number not in self._signs:
            generator = torch.Generator().manual_seed(number)
            drawn = torch.randint(0, 2, (_PRODUCTS, number), generator=generator, dtype=torch.int8)
            self._signs[number] = drawn.mul_(2).sub_(1)
        return self._signs[number].to(torch.float64)
