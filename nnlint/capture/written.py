"""Errors that a script writes by hand: squares and sizes, and differences from what it was given."""

from __future__ import annotations

from typing import Any

import torch

# By their names in torch: the same function comes as a method, an operator and a function.
_DIFFERENCES = frozenset({"sub", "subtract", "rsub", "__sub__", "__rsub__"})
# What leaves a difference one: a hinge.
_HINGES = frozenset({"relu", "clamp", "clamp_min"})
_POWERS = frozenset({"pow", "__pow__", "float_power"})
_SIZES = frozenset({"square", "abs", "absolute", "norm", "linalg_norm", "linalg_vector_norm"})
# Of one forward; a script with more of them is not looked at.
_MOST = 4096
# What is left of the loss beside such errors, by which it may differ from them.
_REST = 0.01


class WrittenErrors:
    """Hears the calls of one forward; `flipped` then says whether its loss is minus such errors."""

    def __init__(self) -> None:
        # What was found is kept, so that no other tensor gets its identity.
        self._differences: dict[int, torch.Tensor] = {}
        self._errors: list[tuple[torch.Tensor, bool]] = []

    def note(self, function: Any, args: Any, output: Any) -> None:
        """One call of a function, and what came of it."""
        name = function.__name__
        if not isinstance(output, torch.Tensor) or not output.requires_grad or not args:
            return
        if name in _DIFFERENCES:
            # From a target, or a margin: from what does not depend on what is trained.
            if not all(isinstance(part, torch.Tensor) and part.requires_grad for part in args[:2]):
                self._differences[id(output)] = output
        elif name in _HINGES:
            if id(args[0]) in self._differences:
                self._differences[id(output)] = output
        elif name in _SIZES or (name in _POWERS and args[1:] and _even(args[1])) or _squares(name, args):
            self._errors.append((output, id(args[0]) in self._differences))
        if len(self._differences) + len(self._errors) > _MOST:
            self._differences.clear()
            self._errors.clear()

    def flipped(self, loss: torch.Tensor) -> bool:
        """Whether the loss is nothing but errors that count with a minus, and one is of a difference."""
        if not self._errors or loss.numel() != 1 or not loss.requires_grad:
            return False
        outputs = [output for output, _ in self._errors]
        weights = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
        used = [
            (weight, output.detach(), difference)
            for weight, (output, difference) in zip(weights, self._errors, strict=True)
            if weight is not None
        ]
        if not any(difference for _, _, difference in used) or any(
            bool((weight > 0).any()) for weight, _, _ in used
        ):
            return False
        value = float(loss.detach())
        rest = value - sum(float((weight * output).sum()) for weight, output, _ in used)
        return value < 0 and abs(rest) <= _REST * -value


def _even(exponent: Any) -> bool:
    return isinstance(exponent, (int, float)) and exponent > 0 and exponent % 2 == 0


def _squares(name: str, args: Any) -> bool:
    return name in ("mul", "__mul__") and len(args) > 1 and args[0] is args[1]
