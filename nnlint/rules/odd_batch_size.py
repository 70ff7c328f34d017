"""See rules/odd-batch-size.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.arguments import argument, constant

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


TILE = 8  # smaller batches are what fits, or a row of pictures


class OddBatchSize(Rule):
    words = ("DataLoader",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loader in script.calls_of("torch.utils.data.DataLoader"):
            size, given = constant(loader, "batch_size", 1), argument(loader, "batch_size")
            if type(size) is not int or size < TILE or size % 2 == 0 or loader.node is None or given is None:
                continue
            yield self.problem(
                loader.node,
                f"a batch size of {size} is odd: matrix kernels work in tiles of 8, 16 or 32 rows and pad "
                f"the rest, so {size + TILE - size % TILE} samples cost the same; use a multiple of 8",
            )
