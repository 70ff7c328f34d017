"""What rules ask of a recorded step: a view of the graph, and of where the batch axis went in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nnlint.graph.axes import Value
from nnlint.graph.flow import Flow
from nnlint.graph.nodes import Argument, Graph, Node, Output, Ref
from nnlint.graph.operators import name_of
from nnlint.graph.words import Words

if TYPE_CHECKING:
    from nnlint.capture.plan import FirstStep, Place
    from nnlint.graph.call import Meeting, Mixing

# Operators that pass on the same numbers in another shape, type or place.
SAME_NUMBERS = frozenset(
    {
        "alias", "clone", "contiguous", "detach", "expand", "flatten", "lift_fresh", "movedim", "permute",
        "repeat", "reshape", "squeeze", "t", "_to_copy", "transpose", "unflatten", "unsqueeze",
        "_unsafe_view", "view", "_reshape_alias", "view_as", "expand_as", "_conj", "swapaxes",
    }
)  # fmt: skip


_SPOKEN = {
    "relu": "ReLU", "log_sigmoid_forward": "logsigmoid", "linalg_vector_norm": "norm", "mm": "matmul",
    "bmm": "matmul", "addmm": "linear", "_local_scalar_dense": "item", "_to_copy": "to",
    "_unsafe_view": "reshape", "_reshape_alias": "reshape", "baddbmm": "matmul", "amax": "max", "amin": "min",
    "mkldnn_rnn_layer": "lstm", "_cudnn_rnn": "rnn", "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm", "native_batch_norm": "batch_norm", "convolution": "conv",
}  # fmt: skip
_HELD = frozenset({"parameter", "buffer", "constant"})


class GraphStep:
    """The first training step, read-only. Nodes are called by their number in `nodes`.

    `first_step` is what else is known of the iteration; None for a model that was only traced.
    """

    def __init__(self, graph: Graph, first_step: FirstStep | None = None) -> None:
        self.graph = graph
        self.first_step = first_step
        self.nodes: Sequence[Node] = graph.nodes

    # The graph.

    @cached_property
    def losses(self) -> tuple[Output, ...]:
        """What was differentiated."""
        return tuple(output for output in self.graph.outputs if output.what == "loss")

    @cached_property
    def predictions(self) -> tuple[Output, ...]:
        """What the modules that the script calls have returned, each once, but for single numbers.

        Many a model computes its own loss and returns it beside its predictions.
        """
        found: dict[Ref, Output] = {}
        for output in self.graph.outputs:
            if output.what == "prediction" and self.shape(output.ref):
                found.setdefault(output.ref, output)
        return tuple(found.values())

    def operator(self, index: int) -> str:
        """`add` for "aten.add_.Tensor"."""
        return name_of(self.nodes[index].op)

    def sources(self, index: int) -> list[Ref]:
        """The tensor arguments of a node, in order."""
        return list(_refs(self.nodes[index].arguments.values()))

    def users(self, index: int) -> Sequence[int]:
        """The nodes that have one of its outputs as an argument, in order."""
        return self._users.get(index, ())

    @cached_property
    def _users(self) -> dict[int, list[int]]:
        users: dict[int, list[int]] = {}
        for index in range(len(self.nodes)):
            for source in dict.fromkeys(ref.node for ref in self.sources(index)):
                users.setdefault(source, []).append(index)
        return users

    def behind(self, *indices: int) -> frozenset[int]:
        """These nodes and all that they were computed from."""
        found = set(indices)
        waiting = list(found)
        while waiting:
            for ref in self.sources(waiting.pop()):
                if ref.node not in found:
                    found.add(ref.node)
                    waiting.append(ref.node)
        return frozenset(found)

    def ahead(self, *indices: int) -> frozenset[int]:
        """These nodes and all that was computed from them."""
        found = set(indices)
        waiting = list(found)
        while waiting:
            for user in self.users(waiting.pop()):
                if user not in found:
                    found.add(user)
                    waiting.append(user)
        return frozenset(found)

    def behind_grad(self, index: int) -> frozenset[int]:
        """The nodes to which gradients flow back from this one, itself included."""
        found = {index} if self.nodes[index].grad else set()
        waiting = list(found)
        while waiting:
            for ref in self.sources(waiting.pop()):
                if ref.node not in found and self.nodes[ref.node].grad:
                    found.add(ref.node)
                    waiting.append(ref.node)
        return frozenset(found)

    @cached_property
    def before_loss(self) -> frozenset[int]:
        """The nodes that a loss was computed from."""
        return self.behind(*(output.ref.node for output in self.losses))

    @cached_property
    def differentiated(self) -> frozenset[int]:
        """The nodes through which gradients flow back from a loss."""
        found: frozenset[int] = frozenset()
        for output in self.losses:
            found |= self.behind_grad(output.ref.node)
        return found

    @cached_property
    def before_prediction(self) -> frozenset[int]:
        """The nodes that a prediction was computed from."""
        return self.behind(*(output.ref.node for output in self.predictions))

    def origin(self, ref: Ref) -> Ref:
        """What made the numbers: the value behind views, copies and casts."""
        while self.operator(ref.node) in SAME_NUMBERS:
            sources = self.sources(ref.node)
            if not sources:
                break
            ref = sources[0]
        return ref

    @cached_property
    def held(self) -> frozenset[int]:
        """Parameters, buffers and constants, and views of them: what is no step of the computation."""
        found: set[int] = set()
        for index, node in enumerate(self.nodes):
            sources = self.sources(index)
            view = bool(sources) and self.operator(index) in SAME_NUMBERS
            if node.op in _HELD or (view and all(ref.node in found for ref in sources)):
                found.add(index)
        return frozenset(found)

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """The sizes of a value."""
        return self.nodes[ref.node].shapes[ref.output]

    # The batch axis.

    @cached_property
    def flow(self) -> Flow:
        """The batch axis followed through the graph; computed when it is first asked for."""
        return Flow(self.graph)

    def value(self, ref: Ref) -> Value:
        """What is known of a value's dependence on the samples."""
        return self.flow.at(ref)

    def batch_places(self, ref: Ref) -> tuple[int, ...]:
        """The axes of a value that number samples."""
        return self.flow.at(ref).places()

    @property
    def mixings(self) -> Sequence[Mixing]:
        """Where the value of one sample reaches others."""
        return self.flow.mixings

    @cached_property
    def cross_batch(self) -> frozenset[int]:
        """The nodes before a prediction at which samples reach one another and are not meant to."""
        mixed = {mixing.node for mixing in self.mixings if not mixing.context}
        return self.before_prediction.intersection(mixed)

    @property
    def meetings(self) -> Sequence[Meeting]:
        """Where two batch axes stand in one result."""
        return self.flow.meetings

    # Words.

    @cached_property
    def words(self) -> Words:
        """The user's names for the values."""
        return Words(self.graph)

    def called(self, ref: Ref) -> str:
        """`logits` in quotes, or "the result of `mm`"."""
        name = self.words.name(ref)
        if name is None:
            # A cast or a copy of something with a name is called the same.
            name = self.words.name(self._copied(ref))
        return f"`{name}`" if name else f"the result of `{self.spoken(ref.node)}`"

    def spoken(self, index: int) -> str:
        """The operator as the user calls it."""
        operator = self.operator(index)
        if operator.startswith("_scaled_dot_product"):
            # One of several ways to compute it.
            return "scaled_dot_product_attention"
        return _SPOKEN.get(operator, operator.strip("_").removesuffix("_forward"))

    def _copied(self, ref: Ref) -> Ref:
        while self.operator(ref.node) in ("alias", "clone", "contiguous", "detach", "_to_copy", "lift_fresh"):
            sources = self.sources(ref.node)
            if not sources:
                break
            ref = sources[0]
        return ref

    def axis(self, ref: Ref, place: int) -> str:
        """axis 0 of `logits`."""
        return f"axis {place} of {self.called(ref)}"

    def not_followed(self) -> list[str]:
        """Why rules are silent about parts of it: operators without a rule, what left no operators behind."""
        found = [f"not seen: {reason}" for reason in self.graph.unseen]
        if unknown := self.flow.unknown:
            names = ", ".join(f"{name} ({number})" for name, number in unknown.most_common())
            found.insert(0, f"not known to nnlint, and nothing is said of what follows: {names}")
        return found

    def came_from(self) -> tuple[tuple[Place | None, str], ...]:
        """Where the batch axis comes from, as the related places of a finding."""
        for index, node in enumerate(self.nodes):
            if node.op == "input" and (places := self.batch_places(Ref(index))):
                text = f"the batch axis comes from here: {self.axis(Ref(index), places[0])}"
                return ((node.place, text),)
        return ()


def _refs(arguments: Iterable[Argument]) -> Iterator[Ref]:
    for argument in arguments:
        if isinstance(argument, Ref):
            yield argument
        elif isinstance(argument, tuple):
            yield from _refs(argument)
