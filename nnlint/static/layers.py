"""What a module holds, where it hangs, and whether we are inside a `forward`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static import torch_api
from nnlint.static.values import EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import FunctionInfo

# Layers that always hold something to train.
WEIGHTED = re.compile(
    r"^torch\.nn\.(?:Lazy)?(?:Linear|NonDynamicallyQuantizableLinear|Bilinear|Conv(?:Transpose)?[123]d|LSTM|GRU|RNN|LSTMCell|GRUCell|RNNCell"
    r"|Embedding|EmbeddingBag|MultiheadAttention|Transformer\w*|PReLU)$"
)
# Layers that hold something to train unless told otherwise.
NORMS = re.compile(r"^torch\.nn\.(?:Lazy)?(?:BatchNorm[123]d|SyncBatchNorm|LayerNorm|GroupNorm|RMSNorm)$")
PRETRAINED = ("torchvision.models.", "timm.create_model", "timm.models.", "segmentation_models_pytorch.")
DEEPEST = 6


def has_weights(module: Value, depth: int = 0) -> bool:
    """Whether a module surely holds trainable parameters."""
    if module.alts:
        parts = [part for part in module.alternatives() if not part.is_const(None)]
        return bool(parts) and all(has_weights(part, depth + 1) for part in parts)
    if module.kind is not Kind.MODULE or depth > DEEPEST:
        return False
    if WEIGHTED.match(module.op):
        return True
    if NORMS.match(module.op):
        return not any(flag.is_const(False) for flag in (*module.args, *module.kwargs.values()))
    if module.op.startswith(PRETRAINED):
        return True
    if module.op in torch_api.CONTAINERS or module.op in torch_api.WRAPPERS:
        return any(has_weights(item, depth + 1) for item in contents(module))
    if module.cls is not None:
        return any(
            item.kind is Kind.PARAMETER or has_weights(item, depth + 1)
            for item in list(module.attrs.values())
            if item is not module
        )
    return False


def contents(container: Value) -> list[Value]:
    """The items of a list, dict or `nn.ModuleList`; of a comprehension the one that stands for all."""
    found = [*container.args, *container.kwargs.values()]
    if container.kind is Kind.MAPPING or container.op == "torch.nn.ModuleDict":
        found.extend(container.attrs.values())
    if container.element is not None:
        found.append(container.element)
    return found


def modules_in(container: Value, depth: int = 0) -> Iterator[Value]:
    """The modules in a list or dict, through nested ones."""
    for item in contents(container):
        for part in item.alternatives():
            if part.kind is Kind.MODULE:
                yield part
            elif part.kind in (Kind.SEQUENCE, Kind.MAPPING) and depth < 3 and part is not container:
                yield from modules_in(part, depth + 1)


def built_here(module: Value) -> bool:
    """Whether the file shows the call that makes the module."""
    return isinstance(module.node, cst.Call) and module.op not in {"submodule", "module_item"}


def evaluates_only(frame: Frame) -> bool:
    """Whether a place is reached in evaluation mode only: `if not self.training:`."""
    for test in frame.tests():
        value, branch = test.value, test.branch
        while value is not None and value.op == "not" and value.args:
            value, branch = value.args[0], not branch
        if value is not None and value.op == "training" and not branch:
            return True
    return False


def forward_of(frame: Frame) -> FunctionInfo | None:
    """The module's `forward` that is being followed at this place, unless an `__init__` is in between."""
    for function in frame.functions():
        if function.name in {"__init__", "reset_parameters", "build", "setup", "configure_optimizers"}:
            return None
        if function.name == "forward" and function.cls is not None and function.cls.is_module:
            return function
    return None


def init_of(frame: Frame) -> FunctionInfo | None:
    """The `__init__` that is being followed at this place, innermost."""
    return next((function for function in frame.functions() if function.name == "__init__"), None)


def only_shown(script: ScriptModel, layer: Value) -> bool:
    """Whether a layer is built in passing, outside of any class or function, in a script that trains nothing:
    a demonstration."""
    if layer.frame is None or layer.frame.functions():
        return False
    trains = (EventKind.BACKWARD, EventKind.GRAD, EventKind.STEP, EventKind.OPAQUE, EventKind.SAVE)
    return not any(True for _ in script.events_of(*trains)) and not any(
        call.kind is Kind.OPTIMIZER or call.op.startswith(("lightning.", "transformers."))
        for call in script.calls
    )
