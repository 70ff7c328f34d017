"""What the first layer with weights of a model is given: hooks for one call of a root module."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nnlint.capture.plan import Place
from nnlint.experiments.data import FAR, LARGE, MOST_COLUMNS, Column, Inputs

_WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase)
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)


class FirstLayer:
    """Listens during one call of `root`; `finish` describes what its first layer with weights got."""

    def __init__(self, root: nn.Module, place: Place | None) -> None:
        self._root, self._place = root, place
        self._name = ""
        self._layer: nn.Module | None = None
        self._input: torch.Tensor | None = None
        self._next: nn.Module | None = None
        self._handles = [
            module.register_forward_pre_hook(self._hear(name), with_kwargs=True)
            for name, module in root.named_modules()
            if next(module.children(), None) is None and next(module.parameters(), None) is not None
        ]

    def _hear(self, name: str) -> Any:
        def hear(module: nn.Module, args: Any, kwargs: Any) -> None:
            if self._layer is None:
                self._name, self._layer = name, module
                given = next(iter((*args, *kwargs.values())), None)
                if isinstance(given, torch.Tensor):
                    self._input = given.detach()
            elif self._next is None:
                self._next = module

        return hear

    def finish(self) -> Inputs | None:
        """Take the hooks away; None where that layer is no usual one, or its input holds no real numbers."""
        for handle in self._handles:
            handle.remove()
        given, layer = self._input, self._layer
        if given is None or not isinstance(layer, _WEIGHTED) or given.layout is not torch.strided:
            return None
        if not given.is_floating_point() or given.numel() == 0:
            return None
        values = given.to("cpu", torch.float64)
        finite = bool(torch.isfinite(values).all())
        kept = values if finite else values[torch.isfinite(values)]
        if kept.numel() == 0:
            kept = torch.zeros(1, dtype=torch.float64)
        samples = values.shape[0] if values.dim() > 1 else 1
        return Inputs(
            root=type(self._root).__name__,
            layer=self._name,
            class_name=type(layer).__name__,
            place=self._place,
            shape=tuple(given.shape),
            samples=samples,
            finite=finite,
            low=float(kept.min()),
            high=float(kept.max()),
            mean=float(kept.mean()),
            deviation=float(kept.std(correction=0)),
            size=float(kept.pow(2).mean().sqrt()),
            whole=bool((kept == kept.round()).all()),
            normalised=isinstance(self._next, _NORMS),
            alike=samples > 1 and finite and bool((values == values[:1]).all()),
            columns=tuple(_columns(values)) if values.dim() == 2 and finite else (),
        )


def _columns(values: torch.Tensor) -> list[Column]:
    """The columns of [samples, features] that stand out, the worst first."""
    means, deviations = values.mean(0), values.std(0, correction=0)
    sizes = values.pow(2).mean(0).sqrt()
    odd = (sizes > LARGE) | ((means.abs() > FAR * deviations) & (deviations > 0)) | (deviations == 0)
    worst = torch.argsort(sizes, descending=True)
    chosen = [int(number) for number in worst if odd[number]][:MOST_COLUMNS]
    return [Column(number, float(means[number]), float(deviations[number])) for number in chosen]
