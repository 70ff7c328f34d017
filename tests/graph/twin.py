"""The slow and obvious twin of the axis algebra: change one sample, run again, see which predictions move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import nn

from nnlint.graph.axes import SAMPLES, Axis, Value
from nnlint.graph.flow import Flow
from nnlint.graph.nodes import Graph
from nnlint.graph.record import record

Inputs = Mapping[str, torch.Tensor]


@dataclass
class Case:
    """One step: `forward` gives the predictions, which `loss` makes one number of.

    `batch` is N, and `place` the batch axis of each input where it is not axis 0. `owners` has the sample of
    each position of the inputs that have no batch axis (nodes and edges of graphs).
    """

    name: str
    inputs: dict[str, torch.Tensor]
    forward: Callable[[dict[str, torch.Tensor]], Any]
    roots: Sequence[nn.Module] = ()
    batch: int = 0
    place: dict[str, int] = field(default_factory=dict)
    owners: dict[str, torch.Tensor] = field(default_factory=dict)
    # Inputs that the twin leaves alone: changing them changes shapes.
    still: frozenset[str] = frozenset()

    def size(self) -> int:
        return self.batch or next(iter(self.inputs.values())).shape[0]

    def predictions(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        torch.manual_seed(7)
        return list(tensors(self.forward(inputs)))

    def recorded(self) -> tuple[Graph, Flow]:
        """The graph of one step whose predictions are its results, and the algebra's answer."""
        graph = record(
            lambda: self.predictions(dict(self.inputs)), self.inputs, self.roots, batch=self.size()
        )
        return graph, Flow(graph)


def tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def changed(case: Case, sample: int, seed: int) -> dict[str, torch.Tensor]:
    """The inputs with one sample changed, to numbers of the same kind."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {}
    for name, tensor in case.inputs.items():
        if name in case.still or tensor.dtype == torch.bool:
            inputs[name] = tensor
            continue
        mine = mask_of(case, name, tensor, sample)
        if mine is None:
            inputs[name] = tensor
        elif tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            inputs[name] = torch.where(mine, tensor + noise, tensor)
        else:
            low, high = int(tensor.min()), int(tensor.max())
            other = torch.randint(low, high + 1, tensor.shape, generator=generator, dtype=tensor.dtype)
            inputs[name] = torch.where(mine, other, tensor)
    return inputs


def mask_of(case: Case, name: str, tensor: torch.Tensor, sample: int) -> torch.Tensor | None:
    if name in case.owners:
        owned = case.owners[name] == sample
        return owned.reshape(-1, *[1] * (tensor.dim() - 1))
    place = case.place.get(name, 0)
    if tensor.dim() <= place or tensor.shape[place] != case.size():
        return None
    shape = [1] * tensor.dim()
    shape[place] = case.size()
    return (torch.arange(case.size()) == sample).reshape(shape)


def moved(case: Case, tries: int = 2) -> list[list[torch.Tensor]]:
    """For each sample, and each prediction, which of its elements changed with it."""
    before = case.predictions(dict(case.inputs))
    answer = []
    for sample in range(case.size()):
        union = [torch.zeros(tensor.shape, dtype=torch.bool) for tensor in before]
        for seed in range(tries):
            after = case.predictions(changed(case, sample, 100 * sample + seed))
            for number, (old, new) in enumerate(zip(before, after, strict=True)):
                if old.shape == new.shape:
                    union[number] |= _differ(old, new)
        answer.append(union)
    return answer


def _differ(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    if old.is_complex():
        old, new = torch.view_as_real(old.resolve_conj()), torch.view_as_real(new.resolve_conj())
        return _differ(old, new).any(-1)
    if not old.is_floating_point():
        return old != new
    # A batched kernel may add in another order: what moves, moves by more than rounding.
    gap = (old - new).abs()
    return ~((gap <= 1e-5 * (1 + old.abs())) | (old.isnan() & new.isnan()) | (old == new))


def samples_along(case: Case, flow: Flow, axis: Axis) -> list[set[int] | None]:
    """The samples of each position of an axis, as the algebra has it; None where it does not tell which."""
    found: list[set[int] | None] = []
    for indices in product(*(range(factor.size) for factor in axis)):
        owners: set[int] | None = set()
        by_source: dict[int, int] = {}
        for factor, index in zip(axis, indices, strict=True):
            if factor.source is not None:
                by_source[factor.source] = (
                    by_source.get(factor.source, 0) + factor.offset + index * factor.stride
                )
        for source, position in by_source.items():
            owner = sample_of(case, flow, source, position)
            owners = None if owners is None or owner is None else owners | owner
        found.append(owners)
    return found


def sample_of(case: Case, flow: Flow, source: int, position: int) -> set[int] | None:
    """The samples that a position of a source may belong to; None: one that cannot be told."""
    entry = flow.sources[source]
    if source == SAMPLES:
        return {position}
    if entry.how == "ragged":
        name = flow.graph.nodes[entry.node].name
        key = "nodes" if name.endswith("batch") else "edges"
        return {int(case.owners[key][position])}
    for part in entry.parts:
        along = samples_along(case, flow, part)
        if position < len(along):
            return along[position]
        position -= len(along)
    return None


def contradictions(
    case: Case, flow: Flow, outputs: Sequence[Value], twin: list[list[torch.Tensor]]
) -> list[str]:
    """Where the algebra says that a prediction holds still, and it moves."""
    wrong = []
    for number, value in enumerate(outputs):
        if not value.known or value.axes is None or value.mixed or flow.escapes:
            continue
        pins = [sample_of(case, flow, source, position) for source, position in value.pinned]
        along = {place: samples_along(case, flow, value.axes[place]) for place in value.places()}
        unclear = any(pin is None for pin in pins) or any(
            owner is None for owners in along.values() for owner in owners
        )
        for sample, moves in enumerate(twin):
            got = moves[number]
            if not got.any():
                continue
            if unclear:
                # In an order that is not told: each change moves one position of each such axis.
                places = value.places()
                if (
                    len(places) == 1
                    and not pins
                    and all(
                        flow.sources[factor.source].how == "shuffle"
                        for factor in value.axes[places[0]]
                        if factor.source is not None
                    )
                ):
                    other = tuple(place for place in range(got.dim()) if place != places[0])
                    if int(got.any(other).sum() if other else got.sum()) > 1:
                        wrong.append(f"{case.name}[{number}]: sample {sample} moves several positions")
                continue
            may = torch.full(got.shape, any(sample in (pin or ()) for pin in pins))
            for place, owners in along.items():
                shape = [1] * got.dim()
                shape[place] = len(owners)
                may |= torch.tensor([sample in (owner or ()) for owner in owners]).reshape(shape)
            if bool((got & ~may).any()):
                spot = (got & ~may).nonzero()[0].tolist()
                wrong.append(f"{case.name}[{number}]: sample {sample} moves {spot}, axes {value.axes}")
    return wrong


def confirmed(_: Case, value: Value, number: int, twin: list[list[torch.Tensor]]) -> bool:
    """Whether the twin, too, sees samples reach others in a prediction that has a batch axis."""
    places = value.places() if value.axes is not None else ()
    for moves in twin:
        got = moves[number]
        if not places:
            if got.any() and (got.dim() == 0 or int(got.flatten(1).any(1).sum()) > 1):
                return True
            continue
        other = tuple(place for place in range(got.dim()) if place != places[0])
        if int((got.any(other) if other else got).sum()) > 1:
            return True
    return False
