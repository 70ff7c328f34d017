"""Calls by qualified name that need more than a kind: contexts, iteration helpers, clipping, copying."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from nnlint.static.state import adopt
from nnlint.static.values import EventKind, Kind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.calls import CallReader

GRAD_CONTEXTS = {"torch.no_grad": False, "torch.inference_mode": False, "torch.enable_grad": True}


def _grad_context(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode, name: str
) -> Value:
    value = reader.make(Kind.CONTEXT, name, node, args, kwargs)
    flag = args[0] if args else kwargs.get("mode")
    if name == "torch.set_grad_enabled" or (name == "torch.inference_mode" and flag is not None):
        value.const = reader.truth(flag) if flag is not None else True
        if name == "torch.inference_mode" and value.const is not None:
            value.const = not value.const
        if name == "torch.set_grad_enabled":
            reader.grad = value.const
    else:
        value.const = GRAD_CONTEXTS[name]
    return value


def _context(name: str) -> Callable[..., Value]:
    return lambda reader, args, kwargs, node: _grad_context(reader, args, kwargs, node, name)


def _enumerate(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    if not args:
        return None
    value = reader.make(Kind.SEQUENCE, "enumerate", node, args, kwargs)
    index = reader.make(Kind.NUMBER, "index", node, [args[0]])
    value.element = reader.make(Kind.SEQUENCE, "tuple", node, [index, reader.iterate(args[0], node)])
    value.receiver = args[0]
    return value


def _zip(reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value | None:
    value = reader.make(Kind.SEQUENCE, "zip", node, args, kwargs)
    value.element = reader.make(Kind.SEQUENCE, "tuple", node, [reader.iterate(arg, node) for arg in args])
    value.receiver = args[0] if args else None
    return value


def _range(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    value = reader.make(Kind.SEQUENCE, "range", node, args, kwargs)
    value.element = reader.make(Kind.NUMBER, "index", node, list(args))
    return value


def _next(reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value | None:
    return reader.iterate(args[0], node) if args else None


def _sequence(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    if len(args) == 1 and args[0].kind is Kind.SEQUENCE:
        value = reader.make(Kind.SEQUENCE, "list", node, list(args[0].args))
        value.element, value.receiver = args[0].element, args[0].receiver
        return value
    if not args:
        return reader.make(Kind.SEQUENCE, "list", node)
    if len(args) == 1 and args[0].kind is Kind.PARAMETERS:  # a list can be read again and again
        value = reader.make(Kind.PARAMETERS, args[0].op, node, args[0].args, args[0].kwargs, args[0].receiver)
        value.const = "list"
        return reader.record_call(value)
    if len(args) == 1 and args[0].kind is Kind.LOADER:
        return args[0]
    return None


def _deque(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    value = reader.make(Kind.SEQUENCE, "collections.deque", node, args[:0], kwargs)
    if args and args[0].kind is Kind.SEQUENCE:
        value.args, value.element = list(args[0].args), args[0].element
    if len(args) > 1:
        value.kwargs = {"maxlen": args[1], **kwargs}
    return reader.record_call(value)


def _drawn(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    """`random.sample(memory, n)`: some of the items."""
    if not args or args[0].kind is not Kind.SEQUENCE or not (args[0].args or args[0].element):
        return None
    value = reader.make(Kind.SEQUENCE, "list", node)
    value.element = reader.iterate(args[0], node)
    return reader.record_call(value)


def _mapping(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    value = reader.make(Kind.MAPPING, "dict", node)
    if args and args[0].kind is Kind.MAPPING:
        value.attrs.update(args[0].attrs)
        value.args.extend(args[0].args)
    elif args and args[0].kind is Kind.SEQUENCE:
        value.args.extend(args[0].args)
    value.attrs.update(kwargs)
    return value


def _deepcopy(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    if not args:
        return None
    source = args[0]
    value = reader.make(
        source.kind,
        "copy.deepcopy" if source.kind is not Kind.MODULE else source.op,
        node,
        source.args if source.kind is Kind.MODULE else args,
        source.kwargs,
    )
    value.cls = source.cls
    value.attrs = dict(source.attrs)
    value.element = source.element
    if source.kind is Kind.MODULE:
        value.receiver = source
        mode = reader.mode_of(source)
        if mode is not None:
            reader.modes[id(value)] = (mode, reader.clock)
    return reader.record_call(value)


def _copy(reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value | None:
    """A shallow copy: another dictionary or list of the same items; a model's weights stay shared."""
    if not args or args[0].kind not in (Kind.UNKNOWN, Kind.MAPPING, Kind.SEQUENCE, Kind.TENSOR):
        return args[0] if args else None
    value = reader.make(args[0].kind, "copy.copy", node, args)
    value.cls, value.attrs, value.element = args[0].cls, dict(args[0].attrs), args[0].element
    return reader.record_call(value)


def _clip(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode, name: str
) -> Value:
    value = reader.record_call(reader.make(Kind.TENSOR, name, node, args, kwargs))
    reader.event(EventKind.CLIP, value, args[0] if args else kwargs.get("parameters"))
    return value


def _autograd_grad(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value:
    value = reader.record_call(reader.make(Kind.SEQUENCE, "autograd.grad", node, args, kwargs))
    value.element = reader.make(Kind.TENSOR, "gradient", node, args[:1] or list(kwargs.values())[:1])
    reader.event(EventKind.GRAD, value, args[0] if args else kwargs.get("outputs"))
    return value


def _backward(reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    value = reader.record_call(reader.make(Kind.CONST, "backward", node, args, kwargs))
    reader.event(EventKind.BACKWARD, value, args[0] if args else None)
    return value


def _functional_call(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    """`functional_call(model, weights, inputs)`: the model's `forward`, with other weights."""
    if len(args) < 3 or args[0].kind is not Kind.MODULE:
        return None
    inputs = args[2].args if args[2].kind is Kind.SEQUENCE and args[2].element is None else args[2:3]
    return reader.call_module(args[0], list(inputs), {}, node)


def _save(reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    value = reader.record_call(reader.make(Kind.CONST, "torch.save", node, args, kwargs))
    reader.event(EventKind.SAVE, value, args[0] if args else None)
    return value


def _partial(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    return args[0] if args and not kwargs and len(args) == 1 else None


def _setattr(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    if len(args) == 3 and args[1].kind is Kind.CONST and isinstance(args[1].const, str):
        args[0].attrs[args[1].const] = args[2]
    elif len(args) == 3:
        args[0].attrs[f"?{len(args[0].attrs)}"] = args[2]
    if len(args) == 3 and args[0].kind is Kind.MODULE:
        adopt(args[0], args[2])
    return reader.record_call(reader.make(Kind.CONST, "builtins.setattr", node, args, kwargs))


def _random_split(
    reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    lengths = args[1] if len(args) > 1 else kwargs.get("lengths")
    value = reader.make(Kind.SEQUENCE, "torch.utils.data.random_split", node, [], kwargs)
    count = (
        len(lengths.args)
        if lengths is not None and lengths.kind is Kind.SEQUENCE and lengths.element is None
        else 0
    )
    value.args = [
        reader.make(Kind.DATASET, "torch.utils.data.random_split", node, args[:1], const=i)
        for i in range(count)
    ]
    if not count:
        value.element = reader.make(Kind.DATASET, "torch.utils.data.random_split", node, args[:1])
    return reader.record_call(value)


def _lambda_lr(reader: CallReader, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    """The scheduler, with the factor that its function gives for a counter."""
    value = reader.make(Kind.SCHEDULER, "torch.optim.lr_scheduler.LambdaLR", node, args, kwargs)
    function = args[1] if len(args) > 1 else kwargs.get("lr_lambda")
    if function is not None and function.kind is Kind.FUNCTION:
        value.attrs["counter"] = reader.make(Kind.NUMBER, "index", node)
        value.attrs["factor"] = reader.call_function(
            function, [value.attrs["counter"]], {}, cast("cst.Call", node)
        )
    return reader.record_call(value)


_Handler = Callable[[Any, list[Value], dict[str, Value], Any], "Value | None"]
BY_NAME: dict[str, _Handler] = {
    "torch.no_grad": _context("torch.no_grad"),
    "torch.enable_grad": _context("torch.enable_grad"),
    "torch.inference_mode": _context("torch.inference_mode"),
    "torch.set_grad_enabled": _context("torch.set_grad_enabled"),
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.range": _range,
    "tqdm.trange": _range,
    "tqdm.auto.trange": _range,
    "builtins.next": _next,
    "builtins.list": _sequence,
    "builtins.tuple": _sequence,
    "builtins.set": _sequence,
    "builtins.sorted": _sequence,
    "builtins.dict": _mapping,
    "collections.OrderedDict": _mapping,
    "collections.deque": _deque,
    "random.sample": _drawn,
    "random.choices": _drawn,
    "copy.copy": _copy,
    "copy.deepcopy": _deepcopy,
    "builtins.setattr": _setattr,
    "functools.partial": _partial,
    "torch.autograd.grad": _autograd_grad,
    "torch.autograd.backward": _backward,
    "torch.func.functional_call": _functional_call,
    "torch.nn.utils.stateless.functional_call": _functional_call,
    "torch.optim.lr_scheduler.LambdaLR": _lambda_lr,
    "torch.save": _save,
    "torch.utils.data.random_split": _random_split,
    "torch.nn.utils.clip_grad_norm_": lambda r, a, k, n: _clip(r, a, k, n, "clip_grad_norm_"),
    "torch.nn.utils.clip_grad_value_": lambda r, a, k, n: _clip(r, a, k, n, "clip_grad_value_"),
    "torch.nn.utils.clip_grad_norm": lambda r, a, k, n: _clip(r, a, k, n, "clip_grad_norm_"),
}
