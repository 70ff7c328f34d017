"""Whether a gradient can flow from a value back to a network, and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass, field

from nnlint.static.scores import is_label, is_network_call
from nnlint.static.torch_api import CUTS_GRADIENT, FACTORIES, LOOK_THROUGH, LOSSES, TO_PYTHON
from nnlint.static.values import Kind, Value

# What copies numbers out of the graph into a new tensor.
COPIES = frozenset({"tensor", "as_tensor", "from_numpy", "new_tensor", "torch.Tensor", "torch.FloatTensor"})
CUTS = CUTS_GRADIENT | COPIES
LEAVES = COPIES | {"detach", "detach_", "data", "numpy", "item", "tolist"}
REDUCTIONS = LOSSES | {"mean", "sum"}
# Made of shapes or of nothing: no gradient, and none was lost.
SOURCELESS = (FACTORIES - COPIES) | {
    "shape",
    "size",
    "batch_item",
    "batch",
    "numel",
    "dim",
    "index",
    "training",
}
# Qualified calls that hand a gradient on.
HANDS_ON = frozenset({"scaler.scale", "builtins.sum", "builtins.float"})
# Operations that a name without a dot may stand for although the file does not show what it does.
OPAQUE = frozenset({
    "call", "param", "free", "getattr", "element", "item", "module_call", "?", "star", "yield", "unknown",
    "gradient", "grad", "apply", "module_item", "parameter", "string", "format", "exception", "super",
    "key", "alias", "lambda",
    "sample",  # of torch's distributions without a graph, of others with one
})  # fmt: skip


@dataclass
class GradientPath:
    """`open`: a gradient may reach something trainable. `cuts`: where it is cut behind a network's output."""

    open: bool = False
    cuts: list[Value] = field(default_factory=list)


def gradient_path(loss: Value, thawed: frozenset[int] = frozenset()) -> GradientPath:
    """Follow a loss back along what autograd records; unknown things count as trainable.

    `thawed`: ids of the values whose gradient is asked for with `requires_grad_`.
    """
    path = GradientPath()
    seen: set[int] = set()
    stack = [loss]
    while stack and not path.open:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if id(value) in thawed and _is_new_leaf(value):
            path.open = True
        elif value.alts:
            stack.extend(value.alts)
        elif value.op in CUTS:
            if "requires_grad" in value.kwargs and _is_new_leaf(value):
                path.open = True
            elif any(is_network_call(item) for item in value.graph(stop=_opaque_call)):
                path.cuts.append(value)
        elif value.kind is Kind.CONST or value.op in SOURCELESS or value.op in TO_PYTHON:
            requires = value.kwargs.get("requires_grad")
            path.open = requires is not None and not requires.is_const(False)
        elif value.result is not None:
            stack.append(value.result)
        elif is_network_call(value) or value.kind is Kind.PARAMETER or value.grad is None:
            path.open = True
        elif value.kind is Kind.SEQUENCE:
            stack.extend(value.args)
            if value.element is not None:
                stack.append(value.element)
        elif value.kind is Kind.MAPPING:
            stack.extend((*value.args, *value.attrs.values()))
        elif (value.op == "getitem" or value.op in LOOK_THROUGH) and value.args:
            stack.append(value.args[0])  # neither an index, nor a device, nor a shape
        elif value.grad is False or is_label(value):
            continue
        elif value.op in OPAQUE or ("." in value.op and value.op not in HANDS_ON) or not value.args:
            path.open = value.kind is not Kind.NUMBER or value.op in OPAQUE
        else:
            stack.extend(value.args)
            if value.op in LOSSES:
                stack.extend(value.kwargs.values())
            else:
                stack.extend(arg for arg in value.kwargs.values() if arg.kind is Kind.TENSOR)
    return path


def _is_new_leaf(value: Value) -> bool:
    """Whether it left the graph on purpose, to enter it again by its own gradient; a loss never does."""
    return any(
        source.op in LEAVES and not any(item.op in REDUCTIONS for item in source.graph())
        for source in value.sources(LOOK_THROUGH)
    )


def _opaque_call(value: Value) -> bool:
    return value.op == "call" or value.op.startswith(".")
