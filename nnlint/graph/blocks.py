"""A graph in blocks that a person can take in: what one module computes in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnlint.graph.nodes import Graph, Node
from nnlint.graph.step import GraphStep


@dataclass(frozen=True, slots=True)
class Block:
    """Operations that follow one another in one module. `path` is its place in `root`, cut to a depth."""

    root: int
    path: str
    nodes: tuple[int, ...]


def blocks(step: GraphStep, depth: int) -> list[Block]:
    """The operations in order, a block wherever the module changes; deeper ones count as their outer one."""
    found: list[Block] = []
    members: list[int] = []
    key: tuple[int, str] | None = None
    for index in operations(step):
        node = step.nodes[index]
        place = node.root, _cut(node, depth)
        if place != key and members and key is not None:
            found.append(Block(*key, tuple(members)))
            members = []
        key = place
        members.append(index)
    if key is not None:
        found.append(Block(*key, tuple(members)))
    return found


def with_inputs(step: GraphStep, depth: int) -> list[Block]:
    """The same, but each tensor of the batch a block of its own."""
    found: list[Block] = []
    for block in blocks(step, depth):
        given = tuple(index for index in block.nodes if step.nodes[index].op == "input")
        found += [Block(block.root, block.path, (index,)) for index in given]
        if made := tuple(index for index in block.nodes if index not in given):
            found.append(Block(block.root, block.path, made))
    return found


def deepest(step: GraphStep, most: int) -> int:
    """The depth of modules at which there are at most so many blocks; 0 if there is none."""
    levels = max((node.module.count(".") + 1 for node in step.nodes), default=0)
    return max((depth for depth in range(levels + 1) if len(blocks(step, depth)) <= most), default=0)


def title(graph: Graph, block: Block) -> str:
    """`encoder.layers.0`, the class of a root or of a module outside of any, or "the script".

    With several roots, paths begin with the class of theirs.
    """
    if block.root < 0:
        return block.path or "the script"
    names = [root.class_name for root in graph.roots]
    name = names[block.root]
    if names.count(name) > 1:
        name += f" {names[: block.root + 1].count(name)}"
    if not block.path:
        return name
    return f"{name}.{block.path}" if len(names) > 1 else block.path


def operations(step: GraphStep) -> Sequence[int]:
    """The numbers of the nodes that compute something or come with the batch."""
    return [index for index in range(len(step.nodes)) if index not in step.held]


def _cut(node: Node, depth: int) -> str:
    if node.root < 0:
        return node.module
    return ".".join(node.module.split(".")[:depth]) if depth else ""
