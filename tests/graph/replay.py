"""Computes a plain graph again, operator by operator: what was recorded must give what the step gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nnlint.graph.nodes import Graph, Node, Ref

_SETTINGS = ("dtype", "layout", "memory_format")


def replay(graph: Graph, tensors: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """The outputs of the graph; `tensors` has the inputs, parameters and buffers by name."""
    results: list[list[torch.Tensor]] = []
    for node in graph.nodes:
        if node.op in ("input", "parameter", "buffer"):
            results.append([tensors[node.name].detach().clone()])
        elif node.op == "constant":
            results.append([torch.tensor(node.arguments["value"], dtype=getattr(torch, node.dtypes[0]))])
        else:
            results.append(_call(node, results))
        assert tuple(tuple(tensor.shape) for tensor in results[-1]) == node.shapes, node
        assert tuple(str(tensor.dtype) for tensor in results[-1]) == tuple(
            f"torch.{name}" for name in node.dtypes
        ), node
    return [results[output.ref.node][output.ref.output] for output in graph.outputs]


def _call(node: Node, results: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    space, name, overload = node.op.split(".")
    operator = getattr(getattr(getattr(torch.ops, space), name), overload)
    positional, named = [], {}
    written = []
    for argument in operator._schema.arguments:
        value = _argument(argument.name, node.arguments[argument.name], results)
        if argument.alias_info is not None and argument.alias_info.is_write:
            written += value if isinstance(value, list) else [value]
        if argument.kwarg_only:
            named[argument.name] = value
        else:
            positional.append(value)
    returned = _flat(operator(*positional, **named))
    return returned + [tensor for tensor in written if all(tensor is not other for other in returned)]


def _argument(name: str, value: Any, results: list[list[torch.Tensor]]) -> Any:
    if isinstance(value, Ref):
        # A copy: an operator in place must not change what others read.
        return results[value.node][value.output].clone()
    if isinstance(value, tuple):
        return [_argument(name, item, results) for item in value]
    if name in _SETTINGS and isinstance(value, str):
        return getattr(torch, value)
    return value


def _flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for item in value for tensor in _flat(item)] if isinstance(value, (list, tuple)) else []
