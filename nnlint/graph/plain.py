"""A recorded torch.fx graph as plain values."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from nnlint.collecting import uncollected
from nnlint.graph.nodes import Argument, Graph, Node, Output, Ref
from nnlint.graph.schemas import schema_of

if TYPE_CHECKING:
    from nnlint.graph.record import Recorder


# Thousands of new objects would have the collector go through all of torch's, several times.
@uncollected()
def plain(recorder: Recorder, cut: bool = False) -> Graph:
    """The graph as it is so far; `cut` as in nodes.Graph."""
    refs: dict[fx.Node, Ref] = {}
    nodes: list[Node] = []
    recorded: list[Any]
    recorded, results = recorder.recorded()
    returned = {entry[1] for entry in results}
    node: Any
    for node in recorded:
        if node.target is torch.ops.aten.detach.default and not node.users and node not in returned:
            # What autograd keeps for the backward pass.
            continue
        if node.target is operator.getitem:
            source = refs[node.args[0]]
            refs[node] = Ref(source.node, node.args[1])
            continue
        refs[node] = Ref(len(nodes))
        if items := [user for user in node.users if user.target is operator.getitem]:
            node.meta["grad"] = any(item.meta["grad"] for item in items)
        nodes.append(_node(node, refs))
    return Graph(
        nodes=tuple(nodes),
        outputs=tuple(Output(entry[0], refs[entry[1]], *entry[2:]) for entry in results),
        batch=recorder.batch,
        unseen=tuple(recorder.reasons),
        roots=tuple(recorder.running.roots),
        cut=cut,
    )


def _node(node: fx.Node, refs: dict[fx.Node, Ref]) -> Node:
    meta = node.meta
    kind = meta.get("kind")
    op = kind or str(node.target)
    arguments = {"value": meta["value"]} if "value" in meta else _arguments(node, refs)
    arguments |= meta.get("noted", {})
    return Node(
        name=meta.get("name") or node.name,
        op=op,
        arguments=arguments,
        shapes=tuple(meta["shapes"]),
        dtypes=tuple(meta["dtypes"]),
        place=meta["place"],
        module=meta["module"],
        training=meta["training"],
        root=meta["root"],
        grad=meta["grad"],
        caller=meta["caller"],
    )


def _arguments(node: fx.Node, refs: dict[fx.Node, Ref]) -> dict[str, Argument]:
    schema = schema_of(node.target)
    if schema is None:
        given = {str(number): _argument(value, refs) for number, value in enumerate(node.args)}
        return given | {name: _argument(value, refs) for name, value in node.kwargs.items()}
    arguments: dict[str, Argument] = {}
    for number, (name, default) in enumerate(schema.arguments):
        value = node.args[number] if number < len(node.args) else node.kwargs.get(name, default)
        arguments[name] = _argument(value, refs)
    return arguments


def _argument(value: Any, refs: dict[fx.Node, Ref]) -> Argument:
    if isinstance(value, fx.Node):
        return refs[value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_argument(item, refs) for item in value)
    if isinstance(value, torch.SymInt):
        return str(value)
    # A dtype, a device, a layout, a memory format, a complex number.
    return str(value).removeprefix("torch.")
