"""Notes what comes by in the first steps, for a comparison with another script."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture import batch as batches_of
from nnlint.capture.meter import Meter
from nnlint.capture.sketches import Sketches
from nnlint.capture.watch import user_place
from nnlint.experiments import reference

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches
    from nnlint.experiments.reference import Event, Settings, Turn, Weight

# Elements of a gradient below this share of the largest are rounding (a bias of the keys of attention has no
# other), and optimizers that divide by its size make full steps of them.
_ROUNDING = 1e-4


class ReferenceMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._sketches = Sketches()
        self._roots: list[nn.Module] = []
        self._weights: list[Weight] = []
        self._numbers: dict[torch.Tensor, int] = {}
        self._names: dict[int, str] = {}
        self._before: list[reference.Sketch] = []
        self._events: list[Event] = []
        self._turns: list[Turn] = []
        self._optimizers: list[Optimizer] = []
        self._settings: list[Settings] = []
        # Before the step, and of which it may still change that were not called since it began.
        self._values: dict[torch.Tensor, torch.Tensor] = {}
        self._unread: set[torch.Tensor] = set()

    def given(self, batches: Batches, batch: Any) -> None:
        for tensor in batches_of.tensors(batch):
            self._note("batch", "", -1, tensor)

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        # A closure calls within the step, and only then the other script's weights come in.
        for parameter in root.parameters():
            if parameter in self._unread:
                self._unread.discard(parameter)
                self._values[parameter] = parameter.detach().clone()
        if any(root is known for known in self._roots):
            return
        self._roots.append(root)
        before: dict[torch.Tensor, torch.Tensor] = getattr(self.runner.intervention, "before", {})
        for name, parameter in root.named_parameters():
            self._numbers[parameter] = len(self._weights)
            self._weights.append(reference.Weight(name, self._sketches.of(parameter)))
            if parameter in before:
                self._before.append(self._sketches.of(before[parameter]))
        for name, module in root.named_modules():
            if (first := next(module.parameters(recurse=False), None)) is not None:
                self._hear(module, name or type(root).__name__, self._numbers[first])

    def _hear(self, module: nn.Module, name: str, weight: int) -> None:
        class_name = type(module).__name__

        def entered(_: nn.Module, args: Any, kwargs: Any) -> None:
            self._all("input", name, weight, (args, kwargs), class_name)

        def left(_: nn.Module, __: Any, output: Any) -> None:
            self._all("output", name, weight, output, class_name)

        # Some modules (scripted ones) take no hooks.
        with contextlib.suppress(Exception):
            module.register_forward_pre_hook(entered, with_kwargs=True)
            # What else is within a module is seen where it is; what the whole gives may be anything.
            if len(list(module.parameters())) == len(list(module.parameters(recurse=False))):
                module.register_forward_hook(left)

    def called(self, root: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        for tensor in batches_of.tensors(output):
            if tensor.is_floating_point():
                self._note("result", type(root).__name__, -1, tensor)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        for loss in losses:
            self._note("loss", "", -1, loss)

    def stepping(self, optimizer: Optimizer) -> None:
        if optimizer not in self._optimizers:
            self._optimizers.append(optimizer)
            self._settings.append(self._described(optimizer))
        self._values = {parameter: parameter.detach().clone() for parameter in _held_by(optimizer)}
        self._unread = set(self._values)

    def stepped(self, optimizer: Optimizer) -> None:
        place = self.runner.host.watch.built.get(optimizer)
        known = [parameter for parameter in self._values if parameter in self._numbers]
        # Only now, since a closure computes them within the step, as Lightning always has it.
        for parameter in known:
            if parameter.grad is not None:
                self._of(parameter, "gradient", parameter.grad, place)
        for parameter in known:
            update = parameter.detach() - self._values[parameter]
            if (grad := parameter.grad) is not None and not grad.is_sparse and grad.numel():
                size = grad.detach().abs()
                update = update * (size > _ROUNDING * size.max())
            self._of(parameter, "update", update, place)
        self._turns.append(reference.Turn(tuple(self._events), self._optimizers.index(optimizer)))
        self._events.clear()
        self._unread.clear()

    def _of(self, parameter: torch.Tensor, kind: str, tensor: torch.Tensor, place: Place | None) -> None:
        number = self._numbers[parameter]
        name, sketch = self._weights[number].name, self._sketches.of(tensor)
        self._events.append(reference.Event(kind, name, number, place, sketch))

    def _described(self, optimizer: Optimizer) -> Settings:
        numbers = {}
        for name, value in optimizer.param_groups[0].items():
            values = value if isinstance(value, (tuple, list)) else (value,)
            for at, entry in enumerate(values):
                if isinstance(entry, (bool, int, float)):
                    numbers[name if len(values) == 1 else f"{name}[{at}]"] = float(entry)
        place = self.runner.host.watch.built.get(optimizer)
        return reference.Settings(type(optimizer).__name__, place, numbers)

    def _all(self, kind: str, name: str, weight: int, value: Any, class_name: str) -> None:
        # In the middle of the script: whatever goes wrong here must not be its error.
        with contextlib.suppress(Exception):
            for tensor in batches_of.tensors(value):
                self._note(kind, name, weight, tensor, class_name)

    def _note(self, kind: str, name: str, weight: int, tensor: torch.Tensor, class_name: str = "") -> None:
        sketch = self._sketches.of(tensor)
        self._events.append(reference.Event(kind, name, weight, user_place(), sketch, class_name))

    def result(self) -> reference.Run | None:
        if not self._turns:
            return None
        return reference.Run(
            tuple(self._weights), tuple(self._before), tuple(self._settings), tuple(self._turns)
        )


def _held_by(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
