"""A recorded step as plain values: one node an operation, in program order. Never imports torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, Union

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

    `op` is "input" (a tensor of the batch), "parameter", "buffer", "constant" (a tensor made before the step,
    or from Python numbers), "unseen" (a value whose making was not recorded), or its operator:
    "aten.addmm.default". `arguments` has every argument of its schema by name, defaults too; those of
    "unseen" are the tensors it may depend on; a one-element constant has its number as `value`, a mask the
    pattern of its ones (nnlint.graph.patterns), and some operators more (nnlint.graph.noted).

    `shapes` and `dtypes` are those of its outputs: those of its schema in order, lists flattened, and after
    them the new values of the arguments that it writes to and does not return, in the schema's order. An
    operator in place ("aten.add_.Tensor") returns the new value; whoever reads the tensor later refers to it,
    also through other views: "aten.select_scatter.default" and the like stand where a view was written to.

    `name` is the user's name for what holds the tensor (`batch[0]`, `encoder.weight`), or a unique one made
    from the operator.
    """

    name: str
    op: str
    arguments: Mapping[str, Argument]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    # The innermost line of the user's files.
    place: Place | None
    # The path of the innermost module that was running within `root`, one of Graph.roots; outside of any
    # root (-1), the class of the module, or "". For a parameter or buffer: the module that owns it.
    module: str
    training: bool
    root: int = -1
    # Whether gradients flow back through it (for a tensor that was not made here: whether it asks for one).
    grad: bool = False
    # Who calls it: the "user"'s own line, "torch" (a layer, say) on its behalf, or another "library".
    caller: str = "user"

    @property
    def own(self) -> bool:
        """Whether the user's own line calls it."""
        return self.caller == "user"


@dataclass(frozen=True, slots=True)
class Root:
    """A module that the script called itself. `class_name` is its class.

    `repeated`: paths of the lists and sequences of modules whose entries are all one and the same.
    """

    class_name: str
    place: Place | None
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor that a root module returned (`what` is "prediction") or that was differentiated ("loss").

    `root` is the one of Graph.roots that returned it; `name` where it stood in what was returned ("", "[0]",
    ".logits").
    """

    what: str
    ref: Ref
    place: Place | None
    name: str
    root: int = -1


@dataclass(frozen=True, slots=True)
class Graph:
    """The step. `batch` is the size N of the batch axis, 0 if it is not known.

    `unseen` says what could not be recorded, and why; `cut` whether the batch was cut to N samples for the
    recording, so that no other axis has that size by chance.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    batch: int
    unseen: tuple[str, ...] = ()
    roots: tuple[Root, ...] = ()
    cut: bool = False


def to_json(graph: Graph) -> str:
    """One line of JSON. Infinities and NaN are written as Python's json does."""
    files: dict[str, int] = {}

    def place(value: Place | None) -> list[int] | None:
        return [files.setdefault(value.filename, len(files)), value.row] if value else None

    data = {
        "nodes": [
            [
                node.name,
                node.op,
                {name: _encoded(value) for name, value in node.arguments.items()},
                node.shapes,
                node.dtypes,
                place(node.place),
                node.module,
                node.training,
                node.root,
                node.grad,
                node.caller,
            ]
            for node in graph.nodes
        ],
        "outputs": [
            [entry.what, [entry.ref.node, entry.ref.output], place(entry.place), entry.name, entry.root]
            for entry in graph.outputs
        ],
        "batch": graph.batch,
        "unseen": graph.unseen,
        "roots": [[root.class_name, place(root.place), root.repeated] for root in graph.roots],
        "cut": graph.cut,
    }
    return json.dumps({"files": list(files), **data}, separators=(",", ":"))


def from_json(text: str) -> Graph:
    """The graph that `to_json` wrote; ValueError, TypeError, KeyError or IndexError if it is not one."""
    data = json.loads(text)
    files = data["files"]

    def place(value: list[int] | None) -> Place | None:
        return Place(files[value[0]], value[1]) if value else None

    return Graph(
        nodes=tuple(
            Node(
                name,
                op,
                {key: _decoded(value) for key, value in arguments.items()},
                tuple(map(tuple, shapes)),
                tuple(dtypes),
                place(where),
                module,
                training,
                root,
                *flags,
            )
            for name, op, arguments, shapes, dtypes, where, module, training, root, *flags in data["nodes"]
        ),
        outputs=tuple(
            Output(what, Ref(*ref), place(where), name, root)
            for what, ref, where, name, root in data["outputs"]
        ),
        batch=data["batch"],
        unseen=tuple(data["unseen"]),
        roots=tuple(Root(name, place(where), tuple(repeated)) for name, where, repeated in data["roots"]),
        cut=data["cut"],
    )


def _encoded(value: Argument) -> Any:
    if isinstance(value, Ref):
        return {"@": [value.node, value.output]}
    return [_encoded(item) for item in value] if isinstance(value, tuple) else value


def _decoded(value: Any) -> Argument:
    if isinstance(value, dict):
        return Ref(*value["@"])
    return tuple(_decoded(item) for item in value) if isinstance(value, list) else value
