"""Every step sees the first samples of the first batch, with dropout off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture import batch as batches_of
from nnlint.capture import picks
from nnlint.capture.intervention import Intervention
from nnlint.capture.restart import Adam, restart
from nnlint.capture.undropped import UndroppedMode

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner


class Few(Intervention):
    """`values`: how many samples (0: all of the batch); a factor for every learning rate; a seed under which
    the modules begin anew, or -1; the rate of an Adam that steps instead of the script's optimizers, or 0; 1
    to set the input to zero. Those left out are 1, -1, 0 and 0.
    """

    holds = True

    def __init__(self, runner: Runner, values: Sequence[float]) -> None:
        super().__init__(runner, values)
        samples_wanted, *others = values
        factor, seed, rate, zeroed = (*others, *(1.0, -1.0, 0.0, 0.0)[len(others) :])
        self.number = int(samples_wanted)
        self.factor = factor
        self.seed = int(seed)
        self.zeroed = zeroed != 0
        self.adam = Adam(rate) if rate else None
        self._begun: set[torch.nn.Module] = set()
        self._rates: list[float] = []
        # Where the script draws its batches itself, models are called with few of what it draws.
        self._by_call = runner.trigger != "loader"
        self.hears_calls = self._by_call or self.seed >= 0
        self._entered = False
        self.drawn = 0
        if not self._by_call:
            UndroppedMode().__enter__()  # type: ignore[no-untyped-call]

    def batch(self, batch: Any) -> Any:
        number = picks.count(batch)
        if number > self.number > 0:
            batch = picks.pick(batch, torch.arange(self.number), number)
        return batches_of.zeroed(batch) if self.zeroed else batch

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if self.seed >= 0 and root not in self._begun:
            self._begun.add(root)
            restart(root, self.seed)
        if not self._by_call:
            return None
        if not self._entered:
            # After the modes of the meters, which so see what this one leaves.
            self._entered = True
            _FewMode(self).__enter__()  # type: ignore[no-untyped-call]
        number = picks.count(args) or picks.count(kwargs)
        if number > self.number > 0:
            self.drawn = number
        if self.drawn:
            args, kwargs = self.shorten((args, kwargs))
        return (batches_of.zeroed(args), kwargs) if self.zeroed else (args, kwargs)

    def shorten(self, value: Any) -> Any:
        """The first samples of what the script has drawn, still part of its graph."""
        return _narrow(value, self.drawn, self.number)

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        if self.adam is not None:
            self.adam.instead_of(optimizer)
        elif self.factor != 1:
            self._rates = [group["lr"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * self.factor

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        if self.adam is not None:
            self.adam.over()
        elif self.factor != 1:
            for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate


class _FewMode(UndroppedMode):
    """Also lets what still has every sample meet what has only the first ones."""

    def __init__(self, few: Few) -> None:
        super().__init__()
        self.few = few

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        try:
            return super().__torch_function__(function, types, args, kwargs)
        except (RuntimeError, ValueError, IndexError):
            few = self.few
            if not few.drawn or not {few.drawn, few.number} <= _lengths((args, kwargs)):
                raise
            args, kwargs = few.shorten((args, kwargs or {}))
            return super().__torch_function__(function, types, args, kwargs)


def _lengths(value: Any) -> set[int]:
    return {length for tensor in batches_of.tensors(value) for length in tensor.shape[:2]}


def _narrow(value: Any, samples_there: int, number: int) -> Any:
    if isinstance(value, torch.Tensor):
        dim = picks.axis(value, samples_there)
        return value if dim is None else value.narrow(dim, 0, number)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_narrow(item, samples_there, number) for item in value)
    if isinstance(value, dict):
        return {key: _narrow(item, samples_there, number) for key, item in value.items()}
    return value
