"""What the layers put out, call by call: the half of the meter `health` that looks at activations."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nnlint.capture.batch import tensors
from nnlint.capture.plan import Place
from nnlint.capture.watch import is_library, user_place
from nnlint.experiments.health import BINS, MOST_LAYERS, MOST_MOMENTS, Course, Histogram, Layer, evenly, short

# Of a large output, about so many elements stand for all.
_SAMPLE = 65536
# Fewer are enough to draw how they spread.
_DRAWN = 4096
# A layer that is applied so often within one call is recurrent.
_RECURRENT = 8
# Calls of one layer within one call of its root that are looked at.
_MOST_CALLS = 512

_ACTIVATIONS: dict[Callable[..., Any], str] = {
    function: kind
    for kind, functions in {
        "relu": (
            functional.relu, functional.relu_, functional.relu6, torch.relu, torch.relu_,
            torch.Tensor.relu, torch.Tensor.relu_,
        ),
        "tanh": (functional.tanh, torch.tanh, torch.tanh_, torch.Tensor.tanh, torch.Tensor.tanh_),
        "sigmoid": (
            functional.sigmoid, torch.sigmoid, torch.sigmoid_, torch.Tensor.sigmoid, torch.Tensor.sigmoid_,
        ),
    }.items()
    for function in functions
}  # fmt: skip
# After these the channels stand last, however many axes there are; three axes are second only after those.
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)
_CHANNELS_SECOND = (nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d)


@dataclass(slots=True)
class _Record:
    """One layer or activation over the measured calls of its root."""

    root: int
    name: str
    class_name: str
    place: Place | None
    activation: str = ""
    hidden: bool = False
    units: int = 0
    samples: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    deviations: list[float] = field(default_factory=list)
    largest: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    alive: list[torch.Tensor] = field(default_factory=list)
    histograms: list[Histogram] = field(default_factory=list)


@dataclass(slots=True)
class _Moments:
    """A layer applied again and again within one call."""

    place: Place | None
    step: int
    largest: list[float] = field(default_factory=list)
    gradients: dict[int, float] = field(default_factory=dict)


class Activations(TorchFunctionMode):
    """Listens within the calls of roots that it is told to measure."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        # Modules that were called in a measured call, and whether ever with gradients on.
        self.reached: dict[nn.Module, bool] = {}
        self._records: dict[tuple[int, str], _Record] = {}
        self._moments: dict[tuple[int, str], list[_Moments]] = defaultdict(list)
        self._hooks: list[Any] = []
        self._root = self._step = 0
        self._inside = ""
        self._heard = False
        self._last: type[nn.Module] = nn.Module
        self._times: dict[str, int] = {}
        self._waiting: list[_Record] = []

    def begin(self, number: int, root: nn.Module, step: int) -> None:
        """Listen to this call of the root with that number, after so many updates."""
        self._root, self._step = number, step
        self._inside, self._times, self._waiting = "", {}, []
        for name, module in root.named_modules():
            if next(module.children(), None) is None:
                self._hooks.append(module.register_forward_pre_hook(self._entering(name)))
                self._hooks.append(module.register_forward_hook(self._leaving(name)))
            elif next(module.parameters(recurse=False), None) is not None:
                self._hooks.append(module.register_forward_pre_hook(self._reach))
        self.on = True
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """The call is over."""
        if self.on:
            self.on = False
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            for hook in self._hooks:
                hook.remove()
            self._hooks.clear()

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        kind = _ACTIVATIONS.get(function)
        if self.on and kind and isinstance(result, torch.Tensor) and result.is_floating_point():
            self._heard = True
            place = user_place()
            base = self._inside or f"{function.__name__.strip('_')} in line {place.row if place else 0}"
            with torch.no_grad():
                self._note(base, kind, kind, result, place)
        return result

    def _reach(self, module: nn.Module, args: Any) -> None:
        self.reached[module] = self.reached.get(module, False) or torch.is_grad_enabled()

    def _entering(self, name: str) -> Callable[[nn.Module, Any], Any]:
        def entering(module: nn.Module, args: Any) -> Any:
            self._inside, self._heard = name, False
            self._reach(module, args)
            if not isinstance(module, nn.RNNBase) or not args or not isinstance(args[0], torch.Tensor):
                return None
            return self._through_time(name, module, args)

        return entering

    def _leaving(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def leaving(module: nn.Module, _: Any, output: Any) -> None:
            self._inside = ""
            out = next(tensors(output), None)
            if out is None or not out.is_floating_point() or not out.numel():
                return
            if any(parameter.dim() > 1 for parameter in module.parameters(recurse=False)):
                for record in self._waiting:
                    record.hidden = True
                self._waiting.clear()
            place = user_place()
            with torch.no_grad():
                if not self._heard:
                    self._note(name, type(module).__name__, "", out, place)
                self._moment(name, out, place)
            self._last = type(module)

        return leaving

    def _note(self, base: str, class_name: str, kind: str, out: torch.Tensor, place: Place | None) -> None:
        """Add the figures of one output to its record."""
        times = self._times[base] = self._times.get(base, 0) + 1
        if times > _RECURRENT:
            return
        name = base if times == 1 else f"{base} #{times}"
        key = self._root, name
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = _Record(self._root, name, class_name, place, kind)
        if record.steps and record.steps[-1] == self._step:
            return
        some = _some(out)
        record.steps.append(self._step)
        deviation, mean = torch.std_mean(some, correction=0)
        record.means.append(short(float(mean)))
        record.deviations.append(short(float(deviation)))
        record.largest.append(short(float(out.detach().abs().amax())))
        record.gradients.append(0.0)
        # Which measured call is the last one is not known before the end.
        record.histograms[1:] = _histogram(some, self._step)
        if out.requires_grad:
            at = len(record.gradients) - 1
            _hear_gradient(out, lambda gradient: record.gradients.__setitem__(at, _norm(gradient)))
        if kind:
            self._ends(record, kind, some, out)
            self._waiting.append(record)

    def _ends(self, record: _Record, kind: str, some: torch.Tensor, out: torch.Tensor) -> None:
        """How much of it is dead or saturated."""
        low, high = {"relu": (0.0, 0.0), "tanh": (-0.99, 0.99), "sigmoid": (0.01, 0.99)}[kind]
        record.low.append(short(float((some <= low).float().mean())))
        record.high.append(short(float((some >= high).float().mean())) if kind != "relu" else 0.0)
        axis = _channel_axis(out, self._last)
        if kind != "relu" or axis is None:
            record.alive.append(torch.ones(1, dtype=torch.bool))
            record.samples.append(0)
            return
        others = [at for at in range(out.dim()) if at != axis]
        alive = out.detach().amax(others) > 0
        if record.alive and record.alive[-1].shape != alive.shape:
            record.alive = [torch.ones_like(alive)] * len(record.alive)
        record.units = len(alive)
        record.alive.append(alive)
        record.samples.append(out.numel() // len(alive))

    def _moment(self, name: str, out: torch.Tensor, place: Place | None) -> None:
        """One application of a layer that may be a recurrent one."""
        courses = self._moments[self._root, name]
        if not courses or courses[-1].step != self._step:
            if len(courses) >= 3:
                return
            courses.append(_Moments(place, self._step))
        course = courses[-1]
        at = len(course.largest)
        if at >= _MOST_CALLS:
            return
        course.largest.append(float(out.detach().abs().amax()))
        if out.requires_grad:
            _hear_gradient(out, lambda gradient: course.gradients.__setitem__(at, _norm(gradient)))

    def _through_time(self, name: str, module: nn.RNNBase, args: Any) -> Any:
        """The gradient that reaches each moment of a recurrent layer's input."""
        given = args[0]
        if given.dim() != 3 or not given.is_floating_point() or not torch.is_grad_enabled():
            return None
        axis = 1 if module.batch_first else 0
        courses = self._moments[self._root, f"{name} (input)"]
        if given.shape[axis] < _RECURRENT or len(courses) >= 3:
            return None
        course = _Moments(user_place(), self._step)
        courses.append(course)
        others = [at for at in range(3) if at != axis]

        def keep(gradient: torch.Tensor) -> None:
            found = torch.linalg.vector_norm(gradient.float(), dim=others)
            course.gradients.update(enumerate(found.tolist()))

        # A tensor of our own: raw data asks for no gradient, and the script's must not begin to.
        watched = given if given.requires_grad else given.detach().requires_grad_()
        _hear_gradient(watched, keep)
        course.largest.extend(given.detach().abs().amax(others).tolist())
        return (watched, *args[1:])

    def layers(self) -> tuple[tuple[Layer, ...], int]:
        """Every record, and how many were left out."""
        chosen = evenly(list(self._records.values()), MOST_LAYERS)
        return tuple(_layer(record) for record in chosen), len(self._records) - len(chosen)

    def courses(self) -> tuple[Course, ...]:
        """The layers that were applied again and again, each at its first measured steps."""
        return tuple(
            Course(
                root,
                name,
                course.place,
                len(course.largest),
                course.step,
                tuple(short(value) for value in evenly(course.largest, MOST_MOMENTS)),
                tuple(
                    short(course.gradients.get(at, 0.0))
                    for at in evenly(range(len(course.largest)), MOST_MOMENTS)
                ),
            )
            for (root, name), courses in self._moments.items()
            for course in courses
            if len(course.largest) >= _RECURRENT
        )


def _layer(record: _Record) -> Layer:
    count = len(record.alive)
    later = record.alive[count // 2 :]
    throughout = 0.0
    if record.units and len(later) >= 2:
        throughout = 1 - float(torch.stack(later).any(0).float().mean())
    return Layer(
        root=record.root,
        name=record.name,
        class_name=record.class_name,
        place=record.place,
        activation=record.activation,
        hidden=record.hidden,
        units=record.units,
        steps=tuple(record.steps),
        means=tuple(record.means),
        deviations=tuple(record.deviations),
        largest=tuple(record.largest),
        gradients=tuple(record.gradients),
        dead=tuple(short(1 - float(alive.float().mean())) for alive in record.alive),
        low=tuple(record.low),
        high=tuple(record.high),
        dead_throughout=short(throughout),
        samples=sum(record.samples[count // 2 :]),
        histograms=tuple(record.histograms),
    )


def _histogram(values: torch.Tensor, step: int) -> list[Histogram]:
    """One of those that are finite; none if none is."""
    drawn = values[:: max(1, values.numel() // _DRAWN)]
    drawn = drawn[torch.isfinite(drawn)].cpu()
    if not drawn.numel():
        return []
    low, high = (float(end) for end in torch.aminmax(drawn))
    counts = torch.histc(drawn, BINS, low, high) if high > low else torch.tensor([drawn.numel()])
    return [Histogram(step, short(low), short(high), tuple(int(count) for count in counts.tolist()))]


def _hear_gradient(tensor: torch.Tensor, hear: Callable[[torch.Tensor], None]) -> None:
    tensor.register_hook(hear)  # type: ignore[no-untyped-call]


def _some(out: torch.Tensor) -> torch.Tensor:
    flat = out.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // _SAMPLE)].float()


def _norm(gradient: torch.Tensor) -> float:
    return short(float(torch.linalg.vector_norm(gradient.detach().float())))


def _channel_axis(out: torch.Tensor, before: type[nn.Module]) -> int | None:
    """The axis whose entries are units; None for what has no batch."""
    if out.dim() < 2:
        return None
    if issubclass(before, _CHANNELS_LAST):
        return out.dim() - 1
    if out.dim() == 3:
        return 1 if issubclass(before, _CHANNELS_SECOND) else 2
    return 1


def is_own(module: nn.Module) -> bool:
    """Whether the class of a module stands in the user's files."""
    source = getattr(sys.modules.get(type(module).__module__), "__file__", None)
    return source is not None and not is_library(source)
