"""Watches every operation of one step, and finds the one from which its first NaN or Inf comes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nnlint.capture.batch import tensors
from nnlint.capture.meter import Meter
from nnlint.capture.plan import Place
from nnlint.capture.watch import is_library, user_place
from nnlint.experiments.origin import Origin, Source

if TYPE_CHECKING:
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# Memory that nothing has been written to yet may hold anything.
_RAW = frozenset(
    {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "resize_", "set_"}
)
_OVERWRITES = frozenset({"copy_", "fill_", "zero_", "normal_", "uniform_"})
# What puts an Inf somewhere because it was told to: a mask, the start of a search for the smallest.
_TOLD = frozenset({"masked_fill", "masked_fill_", "fill_", "full", "full_like", "new_full", "scalar_tensor",
                   "lift_fresh", "_to_copy", "where", "triu", "tril", "triu_", "tril_"})  # fmt: skip


@dataclass(slots=True)
class _Made:
    """One output that is not finite."""

    source: Source
    op: str
    output: torch.Tensor
    parents: list[_Made | Source] = field(default_factory=list)


class OriginMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._step = int(runner.continuation.values[0])
        self._mode = _Watch()
        self._origin: Origin | None = None

    def begin(self, batches: Batches | None, batch: Any) -> None:
        self._mode.given.update({_where(tensor): ("batch", "") for tensor in tensors(batch)})
        if self._step == 0:
            self._mode.start()

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        if self._mode.on:
            self._mode.know(root)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        for loss in losses:
            if self._mode.on and not bool(torch.isfinite(loss).all()):
                self._conclude(loss)

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        self._look(optimizer)

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        self._look(optimizer)
        if len(self.runner.steps) + 1 == self._step and not self._mode.on:
            self._mode.start()

    def _look(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                grad = parameter.grad
                if self._mode.on and grad is not None and not bool(torch.isfinite(grad).all()):
                    self._conclude(grad)

    def _conclude(self, result: torch.Tensor) -> None:
        if self._origin is None:
            self._origin = self._mode.origin(result, self._step)
            self._mode.on = False

    def result(self) -> Origin | None:
        self._mode.on = False
        return self._origin


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps every output that is not finite, with the operation and what it was made of."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on = False
        # What lies where, of what no operation has made.
        self.given: dict[int, tuple[str, str]] = {}
        self._made: dict[int, _Made] = {}
        self._kept: list[torch.Tensor] = []
        self._names: dict[nn.Module, str] = {}
        self._inside: list[str] = []
        self._module_at: dict[Place, str] = {}

    def start(self) -> None:
        """From here to the end of the process."""
        self.on = True
        # Every node of the autograd graph then knows the line that made it.
        torch.autograd.set_detect_anomaly(True, check_nan=False)
        nn.modules.module.register_module_forward_pre_hook(self._entering)
        nn.modules.module.register_module_forward_hook(self._leaving, always_call=True)
        self.__enter__()  # type: ignore[no-untyped-call]

    def know(self, root: nn.Module) -> None:
        """Learn the names of its modules, parameters and buffers."""
        for name, module in root.named_modules():
            self._names.setdefault(module, name)
        self.given.update({_where(tensor): ("buffer", name) for name, tensor in root.named_buffers()})
        self.given.update({_where(tensor): ("parameter", name) for name, tensor in root.named_parameters()})

    def _entering(self, module: nn.Module, args: Any) -> None:
        self._inside.append(self._names.get(module, ""))

    def _leaving(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._inside:
            self._inside.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if not self.on or name in _RAW:
            return func(*args, **kwargs)
        # What is overwritten is no input, and may be raw memory.
        read = args[1:] if name in _OVERWRITES else args
        before = [tensor for tensor in tensors((read, kwargs)) if _odd(tensor)]
        ranges: tuple[str, ...] = ()
        if name.endswith("_"):
            # What is written in place cannot be looked at afterwards.
            ranges = _ranges((args, kwargs))
        output = func(*args, **kwargs)
        for out in tensors(output):
            if _odd(out):
                self._note(name, out, before, ranges or _ranges((args, kwargs)))
        return output

    def _note(self, op: str, out: torch.Tensor, before: list[torch.Tensor], ranges: tuple[str, ...]) -> None:
        backward = torch._C._current_graph_task_id() != -1
        place = user_place()
        shown = op.strip("_").removesuffix("_backward")
        if backward:
            node = torch._C._current_autograd_node()
            place = _place_of(node) or place
            shown = re.sub(r"Backward\d*$", "", node.name()).lower() if node is not None else shown
        elif place is not None:
            self._module_at.setdefault(place, self._module())
        module = self._module_at.get(place, "") if place else ""
        nan = bool(torch.isnan(out).any())
        made = _Made(Source(shown, place, module, backward, nan, ranges), op, out)
        for tensor in before:
            where = _where(tensor)
            if where in self._made:
                made.parents.append(self._made[where])
            else:
                kind, name = self.given.get(where, ("constant", ""))
                nan = bool(torch.isnan(tensor).any())
                made.parents.append(Source("", place, module, backward, nan, (), kind, name))
        self._made[_where(out)] = made
        self._kept.append(out)

    def _module(self) -> str:
        return next((name for name in reversed(self._inside) if name), "")

    def origin(self, result: torch.Tensor, step: int) -> Origin | None:
        """Walk back from a result that is not finite."""
        at: _Made | Source | None = self._made.get(_where(result))
        then: Source | None = None
        while isinstance(at, _Made):
            same = [one for one in at.parents if _source(one).nan or not at.source.nan]
            if same:
                at = same[0]
                continue
            if not at.parents or _told(at.parents[0]):
                break
            # NaN made of an Inf: what made the Inf is to blame.
            then = then or at.source
            at = at.parents[0]
        if at is None:
            return None
        return Origin(step, _source(at), then)


def _source(made: _Made | Source) -> Source:
    return made.source if isinstance(made, _Made) else made


def _told(made: _Made | Source) -> bool:
    """Whether an Inf stands there on purpose."""
    while isinstance(made, _Made):
        if made.op in _TOLD or not made.parents:
            return made.op in _TOLD
        made = made.parents[0]
    return made.given in ("constant", "buffer")


def _where(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return id(tensor)


def _odd(tensor: torch.Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()) or not tensor.numel() or tensor.is_sparse:
        return False
    return not bool(torch.isfinite(tensor).all())


def _ranges(values: Any) -> tuple[str, ...]:
    found = []
    for tensor in tensors(values):
        if tensor.is_floating_point() and tensor.numel() and not tensor.is_sparse:
            low, high = tensor.detach().aminmax()
            found.append(f"{float(low):.3g} to {float(high):.3g}" if low != high else f"{float(low):.3g}")
    return tuple(found[:3])


def _place_of(node: Any) -> Place | None:
    """The user's line that made a node of the autograd graph."""
    lines = node.metadata.get("traceback_", []) if node is not None else []
    for line in reversed(lines):
        match = re.match(r'\s*File "(.+)", line (\d+)', line)
        if match and not match[1].startswith("<") and not is_library(match[1]):
            return Place(match[1], int(match[2]))
    return None
