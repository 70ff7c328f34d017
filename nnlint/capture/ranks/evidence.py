"""What one rank holds after its first training step, to be compared with the others."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.optimizer import register_optimizer_step_pre_hook

from nnlint.capture import batch as batches_of
from nnlint.capture.observe import Observation
from nnlint.capture.plan import Place
from nnlint.capture.prints import fingerprint
from nnlint.capture.watch import Watch, user_place
from nnlint.experiments.ranks import Rank, Wrapper

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Evidence:
    """Hears which modules are wrapped, where, and where what they wrap is called without them."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._built: weakref.WeakKeyDictionary[nn.Module, Place | None] = weakref.WeakKeyDictionary()
        self._stepped: Place | None = None
        # By wrapper: whether its last backward pass was to be synchronised.
        self._synced: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()
        for kind in (DistributedDataParallel, FullyShardedDataParallel):
            self._hear(kind)
        register_optimizer_step_pre_hook(self._step)

    def _hear(self, kind: type[nn.Module]) -> None:
        build, forward = kind.__init__, kind.forward
        built, synced = self._built, self._synced

        def watched_build(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            build(module, *args, **kwargs)
            built[module] = user_place()

        def watched_forward(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if torch.is_grad_enabled():
                synced[module] = getattr(module, "require_backward_grad_sync", True)
            return forward(module, *args, **kwargs)

        kind.__init__ = watched_build  # type: ignore[assignment,method-assign]
        kind.forward = watched_forward

    def _step(self, *_: Any) -> None:
        self._stepped = user_place()

    def take(self, seen: Observation, rank: int, size: int) -> Rank:
        """What this rank shows, once an optimizer has stepped."""
        models = list(seen.calls)
        batch = fingerprint(seen.batch) if seen.batch is not None else None
        return Rank(
            rank=rank,
            size=size,
            batch=batch.hex() if batch else "",
            samples=_samples(seen.batch),
            loader=self._watch.built.get(seen.loader) if seen.loader is not None else None,
            wrappers=tuple(self._wrapper(module, seen) for module in self._built),
            weights=_prints(_weights(models)),
            buffers=_prints(_buffers(models)),
            norms=tuple(
                name
                for model in models
                for name, part in model.named_modules()
                if isinstance(part, _NORMS) and part.training and part.track_running_stats
            ),
            stepped=self._stepped,
            group=dist.is_initialized(),
        )

    def _wrapper(self, module: nn.Module, seen: Observation) -> Wrapper:
        bare = seen.calls.get(module.module)  # type: ignore[arg-type]
        return Wrapper(
            type(module).__name__,
            self._built[module],
            module in seen.calls,
            bare.place if bare is not None and bare.training else None,
            self._synced.get(module, True),
            bool(getattr(module, "broadcast_buffers", True)),
        )


def _samples(batch: Any) -> int:
    tensor = next(batches_of.tensors(batch), None)
    return tensor.shape[0] if tensor is not None and tensor.dim() else 0


def _weights(models: list[nn.Module]) -> Iterator[tuple[str, torch.Tensor]]:
    for number, model in enumerate(models):
        if any(isinstance(part, FullyShardedDataParallel) for part in model.modules()):
            continue
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                # The same weight, whether it is reached through the wrapper or not.
                yield f"{number}.{name.removeprefix('module.')}", parameter


def _buffers(models: list[nn.Module]) -> Iterator[tuple[str, torch.Tensor]]:
    for number, model in enumerate(models):
        for name, buffer in model.named_buffers():
            yield f"{number}.{name.removeprefix('module.')}", buffer


def _prints(tensors: Iterator[tuple[str, torch.Tensor]]) -> dict[str, str]:
    found = {}
    for name, tensor in tensors:
        # Each rank holds a part of those.
        if not isinstance(tensor, DTensor) and (value := fingerprint(tensor)) is not None:
            found[name] = value.hex()
    return found
