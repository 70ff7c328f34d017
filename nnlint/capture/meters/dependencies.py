"""Calls the first model again with one sample of the batch replaced by another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture import batch as batches_of
from nnlint.capture import picks
from nnlint.capture.meter import Meter
from nnlint.capture.undropped import UndroppedMode
from nnlint.capture.watch import user_place
from nnlint.experiments import dependencies

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

_TRIED = 3
# Relative to the size of a prediction: other orders of summation differ by less.
_CHANGED = 1e-4
# These exist to use the other samples of a batch.
_MIXING = (torch.nn.modules.batchnorm._BatchNorm,)


class DependencyMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._batch: Any = None
        self._hint = 0
        self._found: dependencies.Dependencies | None = None
        self._arguments: tuple[Any, Any] | None = None
        self._state = torch.get_rng_state()

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if batches is not None:
            self._batch = batch
            self._hint = getattr(batches.loader, "batch_size", None) or 0

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if self._found is None:
            self._arguments = batches_of.held((args, kwargs))
            self._state = torch.get_rng_state()

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self._found is not None or self._arguments is None:
            return
        state = torch.get_rng_state()
        try:
            self._found = self._chart(root)
        finally:
            torch.set_rng_state(state)

    def result(self) -> dependencies.Dependencies | None:
        return self._found

    def _chart(self, root: torch.nn.Module) -> dependencies.Dependencies:
        if self._batch is None:
            return _cannot(root, "no loader says which axis is the batch")
        samples = picks.count(self._batch, self._hint)
        if samples < 3:
            return _cannot(root, "the batch has too few samples, or it cannot be told how many")
        assert self._arguments is not None
        graphs = picks.graphs_of(self._arguments[0][0] if self._arguments[0] else None)
        tensors = batches_of.tensors(self._arguments)
        if graphs is None and all(picks.axis(tensor, samples) is None for tensor in tensors):
            return _cannot(root, "the model is called with nothing that has the loader's batch axis")
        modes = {module: module.training for module in root.modules()}
        buffers = {name: buffer.clone() for name, buffer in root.named_buffers()}
        context = tuple(
            dict.fromkeys(
                type(module).__name__ for module in modes if module.training and isinstance(module, _MIXING)
            )
        )
        try:
            for module in modes:
                if isinstance(module, _MIXING) or "Dropout" in type(module).__name__:
                    module.training = False
            return self._replace(root, samples, context)
        finally:
            for module, training in modes.items():
                module.training = training
            with torch.no_grad():
                for name, buffer in root.named_buffers():
                    if name in buffers and buffers[name].shape == buffer.shape:
                        buffer.copy_(buffers[name])

    def _replace(
        self, root: torch.nn.Module, samples: int, context: tuple[str, ...]
    ) -> dependencies.Dependencies:
        place = user_place()
        before = self._predict(root, torch.arange(samples), samples)
        if before is None or not before.dim():
            return _cannot(root, "the model gives no tensor")
        again = self._predict(root, torch.arange(samples), samples)
        if again is None or again.shape != before.shape or _changed(before, again).any():
            return _cannot(root, "two calls with the same arguments differ")
        owners = _owners(before, samples, self._batch)
        if owners is None:
            return _cannot(root, "it cannot be told which prediction belongs to which sample")
        tried = mixed = 0
        worst, own = 0.0, False
        for sample in range(min(_TRIED, samples)):
            index = torch.arange(samples)
            index[sample] = samples - 1 - sample if samples - 1 - sample != sample else 0
            after = self._predict(root, index, samples)
            if after is None or after.shape != before.shape:
                continue
            changed = _changed(before, after)
            tried += 1
            # Of the ways to lay out predictions that fit the shape, one without mixing is believed.
            shares = [float(changed[owner != sample].double().mean()) for owner in owners]
            own |= any(bool(changed[owner == sample].any()) for owner in owners)
            mixed += min(shares) > 0
            worst = max(worst, min(shares))
        if not tried:
            return _cannot(root, "a batch with one sample replaced has predictions of another shape")
        name = type(root).__name__
        return dependencies.Dependencies(name, place, samples, "", tried, mixed, worst, own, context)

    def _predict(self, root: torch.nn.Module, index: torch.Tensor, samples: int) -> torch.Tensor | None:
        """The first tensor of the prediction, one row for each of its first axes."""
        torch.set_rng_state(self._state)
        args, kwargs = picks.pick(self._arguments, index, samples)
        with torch.no_grad(), UndroppedMode():
            output = root(*args, **kwargs)
        # A model that is given labels returns its loss first, which is of no sample.
        logits = getattr(output, "logits", None)
        if isinstance(logits, torch.Tensor):
            return logits
        return next((tensor for tensor in batches_of.tensors(output) if tensor.dim()), None)


def _cannot(root: torch.nn.Module, why: str) -> dependencies.Dependencies:
    return dependencies.Dependencies(type(root).__name__, None, 0, why, 0, 0, 0.0, False, ())


def _changed(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Which elements differ by more than rounding."""
    if before.is_complex():
        before, after = torch.view_as_real(before), torch.view_as_real(after)
    first, second = before.double(), after.double()
    scale = first.abs().mean().clamp_min(1e-12)
    return ~torch.isclose(first, second, rtol=_CHANGED, atol=float(_CHANGED * scale), equal_nan=True)


def _owners(output: torch.Tensor, samples: int, batch: Any) -> list[torch.Tensor] | None:
    """For each way in which predictions may be laid out, the sample that each element belongs to."""
    graph = getattr(batch, "batch", None)
    shape = output.shape
    found = []
    if isinstance(graph, torch.Tensor) and picks.graphs_of(batch) is not None and shape[0] == len(graph):
        return [graph.view(-1, *[1] * (output.dim() - 1)).expand(shape)]
    for dim in range(output.dim()):
        rows = [1] * output.dim()
        rows[dim] = shape[dim]
        number = torch.arange(shape[dim])
        if shape[dim] == samples:
            found.append(number.view(rows).expand(shape))
        elif dim == 0 and shape[0] % samples == 0 and shape[0]:
            # Sequences laid end to end, or moment by moment.
            found += [(number // (shape[0] // samples)).view(rows).expand(shape)]
            found += [(number % samples).view(rows).expand(shape)]
    return found or None
