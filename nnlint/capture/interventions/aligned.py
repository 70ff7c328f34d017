"""Chance and weights are another run's: what two scripts draw is the same, and so is what they begin with."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture.intervention import Intervention
from nnlint.experiments.reference import READS, matched

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner


# Weights take so much of the file at most, in bytes; what comes after is not compared.
_MOST = 2 << 30


class Aligned(Intervention):
    """`values`: whether the weights are written or read, and the number of the open file.

    The file holds the parameters and buffers of each model as they are when it is first called after an
    update. Read, they take the place of the script's own where each has a counterpart: what rounding has made
    of the last step does not count in the next one.
    """

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        role, descriptor = values
        mode = "rb" if role == READS else "wb"
        self._file = os.fdopen(os.dup(int(descriptor)), mode)
        self._file.seek(0)
        self._reads = role == READS
        self._roots: list[torch.nn.Module] = []
        # The updates before the last time that each of them was called.
        self._turns: dict[torch.nn.Module, int] = {}
        # Our own weights, where others took their place.
        self.before: dict[torch.Tensor, torch.Tensor] = {}
        _seed(0)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        turn = len(self.runner.steps)
        if self._turns.get(root) != turn:
            self._turns[root] = turn
            if root not in self._roots:
                self._roots.append(root)
            if self._reads:
                self._take(root, turn)
            else:
                self._give(root, turn)
        return None

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        _seed(len(self.runner.steps) + 1)

    def _give(self, root: torch.nn.Module, turn: int) -> None:
        held = BytesIO()
        torch.save(
            {
                "key": f"{turn} {self._roots.index(root)}",
                "parameters": dict(root.named_parameters()),
                "buffers": dict(root.named_buffers()),
            },
            held,
        )
        if self._file.tell() + held.tell() > _MOST:
            self.runner.end("the weights take too much room")
        self._file.write(len(held.getbuffer()).to_bytes(8, "big"))
        self._file.write(held.getbuffer())
        self._file.flush()

    def _take(self, root: torch.nn.Module, turn: int) -> None:
        length = int.from_bytes(self._file.read(8), "big")
        if not length:
            self.runner.end("the other script has ended")
        given = torch.load(BytesIO(self._file.read(length)), map_location="cpu", weights_only=True)
        if given["key"] != f"{turn} {self._roots.index(root)}":
            self.runner.end("the models are called in another order")
        for kind, mine in (
            ("parameters", dict(root.named_parameters())),
            ("buffers", dict(root.named_buffers())),
        ):
            theirs = list(given[kind].items())
            numbers = matched(
                [(name, tensor.shape) for name, tensor in theirs],
                [(name, tensor.shape) for name, tensor in mine.items()],
            )
            for number, tensor in zip(numbers, mine.values(), strict=False):
                if not turn:
                    self.before[tensor] = tensor.detach().clone()
                # As data, which autograd does not see: a graph may be kept over several steps.
                tensor.data.copy_(theirs[number][1])


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
