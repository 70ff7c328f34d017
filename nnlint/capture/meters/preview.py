"""Takes the first batch down in a form that can be shown."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from nnlint.capture import picks
from nnlint.capture.meter import Meter
from nnlint.capture.pictures import pictures
from nnlint.capture.reading import Reader
from nnlint.capture.samples import asked_for, named
from nnlint.experiments.health import short
from nnlint.experiments.preview import (
    MOST_COLUMNS,
    MOST_IDS,
    MOST_LETTERS,
    MOST_PARTS,
    MOST_SAMPLES,
    Column,
    Part,
    Preview,
    Sequence,
)

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches


class PreviewMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._found: Preview | None = None

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if batches is not None:
            self._found = preview(batch, batches.loader)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        # Without a loader, what the first model is called with is all there is.
        if self._found is None:
            self._found = preview((*args, *kwargs.values()), None)

    def result(self) -> Preview | None:
        return self._found


def preview(batch: Any, loader: Any) -> Preview:
    """The first samples of a batch; of what cannot be shown, only what it is."""
    samples = picks.count(batch, asked_for(loader))
    reader = Reader(loader)
    parts: list[Part] = []
    with torch.no_grad():
        for name, tensor in named(batch, "batch" if loader is not None else "arguments"):
            if len(parts) == MOST_PARTS:
                break
            parts.append(_part(name, tensor, samples, reader))
    for name, texts in _texts(batch, samples):
        sequences = tuple(Sequence((), text[:MOST_LETTERS]) for text in texts[:MOST_SAMPLES])
        parts.append(Part(name, (len(texts),), "str", sequences=sequences))
    return Preview("loader" if loader is not None else "call", samples, tuple(parts[:MOST_PARTS]))


def _part(name: str, tensor: torch.Tensor, samples: int, reader: Reader) -> Part:
    part = Part(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
    axis = picks.axis(tensor, samples) if samples else (0 if tensor.dim() > 1 else None)
    # Sparse, nested, quantised and the like are not taken apart.
    with contextlib.suppress(RuntimeError, NotImplementedError):
        if axis is None and tensor.dim() == 2 and tensor.is_floating_point():
            # The nodes of a graph batch, for one: more rows than samples.
            axis = 0
        if axis is None or not tensor.numel() or tensor.is_complex():
            return part
        values = tensor.detach().movedim(axis, 0).cpu()
        return _shown(part, values, reader)
    return part


def _shown(part: Part, values: torch.Tensor, reader: Reader) -> Part:
    """The part with its samples, whose axis is the first."""
    first = values[:MOST_SAMPLES]
    floating = values.is_floating_point()
    if values.dim() == 1 or (values.dim() == 2 and values.shape[1] == 1):
        numbers = first.reshape(-1).tolist()
        labels = [f"{number:.4g}" for number in numbers] if floating else reader.classes(numbers)
        return _with(part, labels=tuple(labels))
    if (images := pictures(first)) is not None:
        return _with(part, pictures=images)
    if values.dim() == 2 and not floating:
        rows = [row.tolist() for row in first[:, :MOST_IDS]]
        texts = reader.read(first.to(torch.int64).tolist())
        sequences = tuple(
            Sequence(tuple(map(int, row)), text[:MOST_LETTERS]) for row, text in zip(rows, texts, strict=True)
        )
        return _with(part, sequences=sequences, length=values.shape[1])
    if floating and values.dim() in (2, 3):
        return _with(part, columns=tuple(_columns(values)), width=values.shape[-1])
    return part


def _with(part: Part, **shown: Any) -> Part:
    return Part(part.name, part.shape, part.dtype, **shown)


def _columns(values: torch.Tensor) -> list[Column]:
    """Those of the last axis: over the whole batch, and over all moments of a series."""
    rows = values.reshape(-1, values.shape[-1]).double()
    first = values[:MOST_SAMPLES].reshape(min(MOST_SAMPLES, len(values)), -1, values.shape[-1])[:, 0]
    found = []
    for number in range(min(values.shape[-1], MOST_COLUMNS)):
        column = rows[:, number]
        missing = torch.isnan(column)
        there = column[~missing] if not missing.all() else torch.zeros(1, dtype=torch.float64)
        deviation, mean = torch.std_mean(there, correction=0)
        low, high = torch.aminmax(there)
        found.append(
            Column(
                number=number,
                low=short(float(low)),
                mean=short(float(mean)),
                deviation=short(float(deviation)),
                high=short(float(high)),
                missing=int(missing.sum()),
                values=tuple(short(float(value)) for value in first[:, number]),
            )
        )
    return found


def _texts(value: Any, samples: int, path: str = "batch") -> list[tuple[str, list[str]]]:
    """The lists of texts in a batch, with how one would write them."""
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, str) for item in value):
            return [(path, list(value))] if len(value) == samples or not samples else []
        items = [(f"{path}[{number}]", item) for number, item in enumerate(value[:MOST_PARTS])]
    elif isinstance(value, dict):
        items = [(f"{path}[{key!r}]", item) for key, item in list(value.items())[:MOST_PARTS]]
    else:
        return []
    return [found for name, item in items for found in _texts(item, samples, name)]
