"""A recorded step as plain values: one node an operation, in program order. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, Union

from nnlint.capture.plan import Place


@dataclass(frozen=True, slots=True)
class Ref:
    """One output of an earlier node, as an argument."""

    node: int
    output: int = 0


Argument: TypeAlias = Union[bool, int, float, str, Ref, "tuple[Argument, ...]", None]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    `op` is "input" (a tensor of the batch), "parameter", "buffer", "constant" (a tensor made before the
    step), or the ATen operator: "aten.addmm.default". `arguments` has every argument of its schema by name,
    defaults too. `shapes` and `dtypes` are those of its outputs. `name` is the user's name for what holds the
    tensor (`batch[0]`, `encoder.weight`), or a unique one made from the operator.
    """

    name: str
    op: str
    arguments: Mapping[str, Argument]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    # The innermost line of the user's files, and the path of the innermost module that was running.
    place: Place | None
    module: str
    training: bool


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor that a root module returned (`what` is "prediction") or that was differentiated ("loss")."""

    what: str
    ref: Ref
    place: Place | None
    name: str


@dataclass(frozen=True, slots=True)
class Graph:
    """The step. `batch` is the size N of the batch axis; `unseen` says what was not recorded, and why."""

    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    batch: int
    unseen: tuple[str, ...] = ()
