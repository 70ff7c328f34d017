"""See rules/dead-update.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Rule, Sighting, listed

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture


class DeadUpdate(Rule):
    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        step = seen.first_step
        assert step is not None
        due = [
            (root, parameter)
            for root in step.roots
            for parameter in root.parameters
            # A rate of zero is how a warm-up may begin, and nothing moves along a gradient of zero.
            if parameter.steps and parameter.lr > 0 and parameter.grad_norm > 0 and parameter.finite
        ]
        still = [(root, parameter) for root, parameter in due if not parameter.changed]
        # Where nothing moved at all, the optimizer may only act on some of its calls.
        if not still or (len(still) == len(due) and not _plain(step.optimizers)):
            return
        names = [parameter.name for _, parameter in still]
        place = next(
            (
                step.optimizers[number].place
                for _, parameter in still
                for number in parameter.optimizers
                if step.optimizers[number].place
            ),
            step.place,
        )
        smallest = min(parameter.lr * parameter.grad_norm for _, parameter in still)
        yield Sighting(
            place,
            f"{listed(names)} had a gradient and did not change when the optimizer stepped: the update is "
            "smaller than the precision of the weights; raise the learning rate, or keep the weights in "
            "float32",
            evidence={
                "parameters": names,
                "lr": still[0][1].lr,
                "lr * gradient norm": smallest if math.isfinite(smallest) else None,
            },
        )


def _plain(optimizers: tuple[object, ...]) -> bool:
    """Whether every optimizer is one of torch.optim's, which act on each call."""
    return all(getattr(optimizer, "class_name", "") in _TORCH for optimizer in optimizers)


_TORCH = frozenset(
    {"SGD", "Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "NAdam", "RAdam", "ASGD"}
)
