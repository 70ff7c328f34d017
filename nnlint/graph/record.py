"""Records what a training step computes as a torch.fx graph of ATen calls, from the batch to the loss."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

from nnlint.capture.plan import Place
from nnlint.capture.watch import user_place
from nnlint.graph import nodes
from nnlint.graph.callers import caller, held_as, packs_sequences
from nnlint.graph.following import following
from nnlint.graph.named import Names
from nnlint.graph.noted import NOTED, noted
from nnlint.graph.patterns import told
from nnlint.graph.plain import plain
from nnlint.graph.running import Frame, Running, found
from nnlint.graph.schemas import schema_of, tensors_in
from nnlint.graph.values import Values, held_weakly, shares_memory
from nnlint.graph.views import View, geometry, split_offset, stays


def unseen(*sources: Any) -> Any:
    """Stands in the graph for a value whose making could not be recorded."""
    raise NotImplementedError("a value that was not recorded cannot be computed")


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, each ATen call becomes a node of `graph`.

    Give it the batch by `input` before the step. Nothing is recorded while `paused`: during a backward pass,
    and while an optimizer steps. It never exits by itself, and changes nothing that the script computes.
    """

    # Without this, torch refuses higher-order operators (flex_attention, cond) under a mode.
    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled while we record, and torch's guard against it costs time at every operator.
        return False

    def __init__(self, batch: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.batch = batch
        self.paused = 0
        # Whether somebody else is at work, whose operators are not the script's.
        self.elsewhere: Callable[[], bool] = lambda: False
        self.outputs: list[tuple[str, fx.Node, Place | None, str, int]] = []
        # How many nodes count; all of them if it is None.
        self._end: int | None = None
        self._inputs: set[int] = set()
        self.reasons: dict[str, None] = {}
        # What was read by Python or NumPy, and may have come back as numbers.
        self._escaped: dict[fx.Node, None] = {}
        # Whether the operator at hand takes a tensor that was made of numbers just now, and whether it
        # reads the numbers of its arguments.
        self._fresh = False
        self._reads = True
        # Gradients, and what was computed from nothing else, by the address of what lies behind them.
        self._gradients: dict[int, Any] = {}
        self.running = Running(self._returned)
        self.values = Values(self._repeated, self._unseen)
        self._names = Names(self.running)

    # What the caller tells.

    def input(self, name: str, tensor: torch.Tensor, place: Place | None = None) -> None:
        """A tensor of the batch, however it was made; `place` is where the script got it."""
        if tensor._cdata in self._inputs:
            return
        node = self.graph.create_node("placeholder", "input", name="input")
        self._describe(node, [tensor], grad=tensor.requires_grad)
        node.meta.update(kind="input", name=name, place=place or node.meta["place"])
        self.values.new(tensor, node)
        self._inputs.add(tensor._cdata)

    def loss(self, tensors: Sequence[torch.Tensor]) -> None:
        """Gradients of these are about to be computed."""
        for tensor in () if self.paused or self.elsewhere() else tensors:
            self._output("loss", tensor, "", -1)

    def differentiated(self, gradients: Sequence[torch.Tensor | None] = ()) -> None:
        """A backward pass is over and has left gradients, or given these, whose making nobody has seen."""
        for gradient in gradients:
            if gradient is not None:
                self._keep_gradient(gradient)
        for module in self.running.modules:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    self._keep_gradient(parameter.grad)

    def escaped(self, tensor: torch.Tensor) -> None:
        """Python or NumPy reads the numbers of a tensor."""
        if not self.paused and not self.elsewhere():
            self._escaped[self._node(tensor)] = None

    def touched(self, tensor: torch.Tensor) -> None:
        """Something gets the address of a tensor, and may write to it."""
        if not self.paused and not self.elsewhere():
            why = "memory is handed by its address to something that is not an operator"
            self.values.write(tensor, self._unseen(tensor, why, [self._node(tensor)]))

    @property
    def has_loss(self) -> bool:
        """Whether anything was differentiated."""
        return any(entry[0] == "loss" for entry in self.outputs)

    @property
    def mark(self) -> int:
        """How much is recorded."""
        return len(self.graph.nodes)

    def forget(self, mark: int) -> None:
        """Only what was recorded up to `mark` counts, and nothing more is recorded."""
        self._end = mark
        self.paused += 1

    def recorded(self) -> tuple[list[fx.Node], list[tuple[str, fx.Node, Place | None, str, int]]]:
        """The nodes in order, and those of them that are outputs."""
        nodes = list(self.graph.nodes)[: self._end]
        kept = set(nodes)
        return nodes, [entry for entry in self.outputs if entry[1] in kept]

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do not record."""
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    # What torch tells.

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.paused or self.elsewhere() or getattr(func, "namespace", "") == "prim":
            return func(*args, **kwargs)
        if torch.is_inference_mode_enabled() and isinstance(func, torch._ops.OpOverload):
            # Elsewhere autograd has taken composite operators apart before they come here.
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        if self._gradients and self._of_gradients(args, kwargs):
            # Clipping, for one.
            output = func(*args, **kwargs)
            for tensor in tensors_in(output):
                self._keep_gradient(tensor)
            return output
        if func is torch.ops.aten.as_strided_.default and stays(*args, **kwargs):
            return func(*args, **kwargs)
        schema = schema_of(func)
        read: list[torch.Tensor] = []
        # An operator in place may be what fills it; one that reads no numbers needs none.
        self._reads = schema is not None and schema.reads
        self._fresh = func is torch.ops.aten.lift_fresh.default
        arguments = self._converted(args, read)
        named = self._converted(kwargs, read)
        grad = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in read)
        written = schema.writes(args, kwargs) if schema is not None else []
        before = {id(tensor): tuple(tensor.shape) for tensor in written}
        output = func(*args, **kwargs)
        if func is torch.ops.aten._local_scalar_dense.default:
            self._escaped[arguments[0]] = None
        if schema is None:
            self.reasons[f"{func} takes functions as arguments, and is not looked into"] = None
        results = list(tensors_in(output))
        if not results and not read:
            return output
        update = not torch.is_grad_enabled() and any(
            tensor.requires_grad and tensor.is_leaf for tensor in written
        )
        if update:
            # Initial values, or an update by hand: the parameter is still the parameter.
            return output
        returned = {id(tensor) for tensor in results}
        extra = [tensor for tensor in written if id(tensor) not in returned]
        node = self.graph.create_node("call_function", func, arguments, named)
        self._describe(node, results + extra, grad)
        if func in NOTED:
            with self.pause():
                node.meta["noted"] = noted(func, args, results)
        single = isinstance(output, torch.Tensor) and not extra
        for number, tensor in enumerate(results + extra):
            value = node if single else self._item(node, number, tensor)
            position = None if single else number
            if id(tensor) in before:
                if schema is not None and schema.reshapes:
                    view = View(func, arguments, 0, position, geometry(tensor), before[id(tensor)])
                    self.values.view(tensor, value, tensor, view)
                else:
                    self.values.write(tensor, value)
            elif all(tensor is not other for other in read):
                self._made(tensor, value, func, arguments, args, position)
        return output

    def _made(
        self, tensor: torch.Tensor, node: fx.Node, func: Any, arguments: Any, args: Any, output: int | None
    ) -> None:
        """A tensor that the operator has made, or a view of one that it was given."""
        for base, other in enumerate(args):
            if isinstance(other, torch.Tensor) and shares_memory(tensor, other):
                offset = 0 if output is None else split_offset(func, arguments, output)
                view = View(func, arguments, base, output, geometry(tensor), tuple(other.shape), offset)
                self.values.view(tensor, node, other, view)
                return
        self.values.new(tensor, node)

    def _returned(self, frame: Frame, output: Any, outermost: bool) -> None:
        """A module has returned: whatever is not known now was made in a way that nobody sees."""
        if self.paused or self.elsewhere():
            return
        for path, tensor in found(output):
            whole = _unwrapped(tensor)
            if not self.values.knows(whole) and self._names.of(whole) is None:
                given = [_unwrapped(entry) for _, entry in found(frame.arguments)]
                sources = [node for entry in given if (node := self.values.read(entry)) is not None]
                self.values.new(whole, self._unseen(whole, _why(frame.module), sources))
            if outermost:
                self._output("prediction", whole, path, frame.root)

    # Nodes.

    def _output(self, what: str, tensor: torch.Tensor, name: str, root: int) -> None:
        self.outputs.append((what, self._node(_unwrapped(tensor)), user_place(), name, root))

    def _converted(self, value: Any, read: list[torch.Tensor]) -> Any:
        """The arguments with nodes in the place of tensors, which are added to `read`."""
        if isinstance(value, torch.Tensor):
            read.append(value)
            node = self._node(value)
            if self._reads and _is_empty(node) and value.numel():
                # A kernel of the user's has got it, and nobody saw what it wrote.
                why = "memory is filled by something that is not an operator"
                node = self._unknown(value, self._unseen(value, why))
            return node
        if isinstance(value, (list, tuple)):
            return type(value)([self._converted(item, read) for item in value])
        if isinstance(value, dict):
            return {key: self._converted(item, read) for key, item in value.items()}
        return value

    def _node(self, tensor: torch.Tensor) -> fx.Node:
        node = self.values.read(tensor) or self._foreign(tensor)
        # Autograd has spoken only after the operator that made it was recorded.
        node.meta["grad"] = tensor.requires_grad
        return node

    def _foreign(self, tensor: torch.Tensor) -> fx.Node:
        """A tensor that no recorded operator has made."""
        known = self._names.of(tensor)
        if known is None and self.batch > 1 and tensor.shape == (self.batch,) and packs_sequences():
            # Lengths as Python numbers, one a sample as torch asks for: a part of the batch.
            self.input("lengths", tensor)
            return self._node(tensor)
        if known is None and self.batch > 1 and self.batch in tensor.shape:
            # Of the batch, then, by a way that was not seen: through NumPy, or a kernel of the user's.
            why = f"a tensor of shape {list(tensor.shape)} is not made by operators"
            return self._unknown(tensor, self._unseen(tensor, why))
        if known is None and tensor._cdata in self._gradients:
            return self._unknown(tensor, self._unseen(tensor, ""))
        if known is None and self._escaped and self._fresh and tensor.dim() and tensor.numel():
            why = "numbers leave torch for Python or NumPy, and others come from there"
            self.reasons[why] = None
            return self._unknown(tensor, self._unseen(tensor, "", [*self._escaped]))
        kind, name = (known.kind, known.name) if known else ("constant", held_as(tensor))
        node = self.graph.create_node("get_attr", name or kind, name=(name or kind).replace(".", "_"))
        self._describe(node, [tensor], grad=tensor.requires_grad)
        node.meta.update(kind=kind, name=name)
        if known is not None:
            node.meta.update(module=known.owner, root=known.root)
        if kind != "parameter" and type(tensor) is torch.Tensor:
            # Of its numbers, also where all that is computed is on tensors without any.
            with self.pause(), no_dispatch():
                node.meta.update(told(tensor, kind == "constant"))
        self.values.new(tensor, node)
        return node

    def _unknown(self, tensor: torch.Tensor, node: fx.Node) -> fx.Node:
        self.values.new(tensor, node)
        return node

    def _keep_gradient(self, tensor: torch.Tensor) -> None:
        self._gradients[tensor._cdata] = held_weakly(tensor)

    def _of_gradients(self, args: Any, kwargs: Any) -> bool:
        tensors = [*tensors_in(args), *tensors_in(list(kwargs.values()))]
        return bool(tensors) and all(tensor._cdata in self._gradients for tensor in tensors)

    def _unseen(self, tensor: torch.Tensor, why: str, sources: Sequence[fx.Node] = ()) -> fx.Node:
        """A value whose making was not seen; `sources` are what it may depend on."""
        if why:
            self.reasons[why] = None
        node = self.graph.call_function(unseen, tuple(sources))
        self._describe(node, [tensor], grad=tensor.requires_grad)
        node.meta["kind"] = "unseen"
        return node

    def _item(self, node: fx.Node, number: int, tensor: torch.Tensor) -> fx.Node:
        item = self.graph.call_function(operator.getitem, (node, number))
        self._describe(item, [tensor], grad=bool(node.meta["grad"]))
        return item

    def _repeated(
        self, target: Any, arguments: tuple[Any, ...], sizes: tuple[int, ...], dtype: torch.dtype
    ) -> fx.Node:
        """A node that takes a view again, or puts what was written through one in its place."""
        node = self.graph.create_node("call_function", target, arguments)
        self._describe(node, (), grad=any(source.meta["grad"] for source in node.all_input_nodes))
        node.meta.update(shapes=[sizes], dtypes=[_name(dtype)])
        return node

    def _describe(self, node: fx.Node, tensors: Sequence[torch.Tensor], grad: bool) -> None:
        root, path, training = self.running.innermost
        if tensors and not any(tensor.is_floating_point() or tensor.is_complex() for tensor in tensors):
            grad = False
        if any(tensor.is_nested for tensor in tensors):
            self.reasons["nested tensors have no shape that could be followed"] = None
            node.meta["kind"] = "unseen"
        node.meta.update(
            shapes=[_sizes(tensor) for tensor in tensors],
            dtypes=[_name(tensor.dtype) for tensor in tensors],
            place=user_place(),
            module=path,
            root=root,
            training=training,
            grad=grad,
            caller=caller(),
        )


def record(
    step: Callable[[], Any],
    inputs: Mapping[str, torch.Tensor],
    roots: Sequence[nn.Module] = (),
    batch: int | None = None,
    place: Place | None = None,
) -> nodes.Graph:
    """Run `step` once and record it. A loss is what it differentiates, or else the tensors that it returns.

    `inputs` are the tensors of the batch by name, and `batch` is N: by default the leading size that all of
    them share, 0 if they share none. `place` is where they come from.
    """
    if batch is None:
        sizes = {tensor.shape[0] if tensor.dim() else 0 for tensor in inputs.values()}
        batch = sizes.pop() if len(sizes) == 1 else 0
    recorder = Recorder(batch)
    for root in roots:
        recorder.running.root(root)
    for name, tensor in inputs.items():
        recorder.input(name, tensor, place)
    with following(recorder), recorder:
        result = step()
        if not recorder.has_loss:
            recorder.loss([tensor for _, tensor in found(result)])
    return plain(recorder)


def _is_empty(node: fx.Node) -> bool:
    """Whether it gives memory that holds nothing yet."""
    schema = schema_of(node.target) if node.op == "call_function" else None
    return schema is not None and schema.empty


def _unwrapped(tensor: torch.Tensor) -> torch.Tensor:
    """What torch.func has wrapped; the operators are seen without its wrapper."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def _sizes(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape, with 0 for a size that varies within a nested tensor."""
    return tuple(size if isinstance(size, int) else 0 for size in tensor.shape)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _why(module: nn.Module) -> str:
    return f"what {type(module).__name__} returns is not made by operators that can be seen"
