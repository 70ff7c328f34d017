"""What a model gives in another mode, for the same arguments; nothing that it keeps is changed by asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nnlint.capture import batch as batches_of


def modes_of(root: nn.Module) -> dict[nn.Module, bool]:
    """The mode of each module in it."""
    return {module: module.training for module in root.modules()}


def difference(root: nn.Module, args: Any, kwargs: Any, modes: Mapping[nn.Module, bool]) -> float | None:
    """How far the output is from that in these modes, relative to the latter's norm.

    None if that is not known: the call fails, or gives something of another form (as detectors do, which
    give losses in training and boxes in evaluation).
    """
    own = modes_of(root)
    state = torch.get_rng_state()
    buffers = {name: buffer.detach().clone() for name, buffer in root.named_buffers()}
    try:
        with torch.no_grad():
            first = _output(root, args, kwargs)
            for module, training in modes.items():
                module.training = training
            second = _output(root, args, kwargs)
    # Whatever a model may raise in a mode that it is not called in here.
    except Exception:
        return None
    finally:
        for module, training in own.items():
            module.training = training
        with torch.no_grad():
            for name, buffer in root.named_buffers():
                if name in buffers and buffer.shape == buffers[name].shape:
                    buffer.copy_(buffers[name])
        torch.set_rng_state(state)
    if not second or [tensor.shape for tensor in first] != [tensor.shape for tensor in second]:
        return None
    far = sum(float((one - other).square().sum()) for one, other in zip(first, second, strict=True))
    size = sum(float(other.square().sum()) for other in second)
    return (far / size) ** 0.5 if size > 0 else None


def _output(root: nn.Module, args: Any, kwargs: Any) -> list[torch.Tensor]:
    output = root(*batches_of.held(args), **batches_of.held(kwargs))
    return [tensor.double() for tensor in batches_of.tensors(output) if tensor.is_floating_point()]


def acting(root: nn.Module, modes: Mapping[nn.Module, bool] | None = None) -> tuple[str, ...]:
    """The classes of modules that are in training mode (by `modes`, or now) and act differently in it."""
    modes = modes if modes is not None else modes_of(root)
    return tuple(
        dict.fromkeys(
            type(module).__name__ for module in root.modules() if modes.get(module) and _by_mode(module)
        )
    )


def _by_mode(module: nn.Module) -> bool:
    if isinstance(module, (nn.modules.dropout._DropoutNd, nn.MultiheadAttention, nn.RNNBase)):
        rate = float(getattr(module, "p", getattr(module, "dropout", 0.0)))
        return rate > 0 and not (isinstance(module, nn.RNNBase) and module.num_layers == 1)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return module.running_mean is not None
    return isinstance(module, nn.RReLU)
