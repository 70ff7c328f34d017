"""Reads method calls, by the kind of the thing they are called on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nnlint.static import torch_api
from nnlint.static.state import adopt
from nnlint.static.values import EventKind, Kind, Value, join

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.static.calls import CallReader

Handler = Callable[["CallReader", Value, str, "list[Value]", "dict[str, Value]", "cst.Call"], "Value | None"]

# Methods of nn.Module that give the module back, in the same mode.
SAME_MODULE = frozenset({
    "to", "cuda", "cpu", "float", "double", "half", "bfloat16", "type", "apply", "share_memory",
    "to_empty", "xpu", "compile",
    "train_mode",
})  # fmt: skip

# Containers of layers that hold them in the order in which they were given.
CONTAINERS = frozenset({"torch.nn.ModuleList", "torch.nn.Sequential", "torch.nn.ParameterList"})


def module_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    own = base.cls.method(name) if base.cls is not None else None
    if name == "forward":
        return _direct_forward(reader, base, args, kwargs, node)
    if own is not None and name not in {"train", "eval"}:
        function = reader.function_value(own, node)
        if not own.decorated("staticmethod"):
            function.receiver = base
        return reader.call_function(function, args, kwargs, node)
    call = reader.make(Kind.MODULE, f"module.{name}", node, args, kwargs, base)
    if name == "eval":
        reader.set_mode(base, "eval")
        reader.event(EventKind.EVAL, call, base)
        reader.record_call(call)
        return base
    if name == "train":
        flag = args[0] if args else kwargs.get("mode")
        truth = True if flag is None else reader.truth(flag)
        reader.set_mode(base, {True: "train", False: "eval", None: None}[truth])
        reader.event(EventKind.EVAL if truth is False else EventKind.TRAIN, call, base)
        reader.record_call(call)
        return base
    if name in SAME_MODULE:
        reader.record_call(call)
        return base
    if name == "requires_grad_":
        reader.freeze(call, base, args[0] if args else kwargs.get("requires_grad"))
        reader.record_call(call)
        return base
    if name in {
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "trainable_parameters",
        "get_parameters",
    }:
        call.kind, call.op, call.args = Kind.PARAMETERS, name, [base]
        return reader.record_call(call)
    if name in {"children", "modules", "named_children", "named_modules"}:
        call.kind, call.op, call.args = Kind.SEQUENCE, name, [base]
        call.element = reader.make(Kind.MODULE, "submodule", node, [])
        call.element.owner = base
        if name.startswith("named"):
            call.element = reader.make(
                Kind.SEQUENCE, "tuple", node, [reader.make(Kind.UNKNOWN, "name", node), call.element]
            )
        return reader.record_call(call)
    if name == "state_dict":
        call.kind, call.op, call.args = Kind.STATE_DICT, "state_dict", [base]
        reader.event(EventKind.STATE_DICT, call, base)
        return reader.record_call(call)
    if name == "load_state_dict":
        call.kind = Kind.UNKNOWN
        reader.event(EventKind.LOAD_STATE, call, base)
        return reader.record_call(call)
    if name == "zero_grad":
        call.kind = Kind.CONST
        reader.event(EventKind.ZERO_GRAD, call, base)
        return reader.record_call(call)
    if name in {"register_buffer", "register_parameter", "add_module", "register_module"} and len(args) > 1:
        call.kind = Kind.CONST
        if args[0].kind is Kind.CONST and isinstance(args[0].const, str):
            base.attrs[args[0].const] = args[1]
        else:
            base.attrs[f"?{len(base.attrs)}"] = args[1]
        if base.op in CONTAINERS:
            base.args.append(args[1])
        adopt(base, args[1])
        call.op = name
        return reader.record_call(call)
    if base.op in CONTAINERS and name in {
        "append",
        "extend",
        "insert",
    }:
        items = args[0].args if name == "extend" and args else args[-1:]
        base.args.extend(items)
        for item in items:
            adopt(base, item)
        if name == "extend" and args and args[0].element is not None:
            base.element = args[0].element
        call.kind = Kind.CONST
        return reader.record_call(call)
    if base.op == "torch.nn.ModuleDict" and name in {"values", "items", "keys"}:
        call.kind, call.op, call.args = Kind.SEQUENCE, "items", [*base.args, *base.kwargs.values()]
        element = join(call.args) or reader.make(Kind.MODULE, "submodule", node)
        call.element = (
            reader.make(Kind.SEQUENCE, "tuple", node, [reader.make(Kind.UNKNOWN, "name", node), element])
            if name == "items"
            else element
        )
        return call
    if name == "backward" and args:
        reader.event(EventKind.BACKWARD, call, args[0])
        return reader.record_call(call)
    if name == "step":
        reader.event(EventKind.STEP, call, base)
        return reader.record_call(call)
    if base.cls is not None and base.cls.is_lightning:
        return _lightning_method(reader, base, name, args, call)
    if name in base.attrs and base.attrs[name].kind is Kind.MODULE:
        return reader.call_module(base.attrs[name], args, kwargs, node)
    return None


def _direct_forward(
    reader: CallReader, base: Value, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value:
    call = reader.make(Kind.TENSOR, "module.forward", node, args, kwargs, base)
    reader.record_call(call)
    return reader.call_module(base, args, kwargs, node)


def _lightning_method(
    reader: CallReader, base: Value, name: str, args: list[Value], call: Value
) -> Value | None:
    if name == "manual_backward" and args:
        reader.event(EventKind.BACKWARD, call, args[0])
        return reader.record_call(call)
    if name == "optimizers":
        call.kind, call.op = Kind.OPTIMIZER, "lightning.optimizers"
        call.args = [base]
        return reader.record_call(call)
    if name in {"log", "log_dict", "save_hyperparameters", "print", "clip_gradients", "all_gather"}:
        call.kind = Kind.CONST
        if name == "clip_gradients":
            reader.event(EventKind.CLIP, call, args[0] if args else None)
        return reader.record_call(call)
    return None


def optimizer_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    call = reader.make(Kind.CONST, f"optimizer.{name}", node, args, kwargs, base)
    if name == "zero_grad":
        reader.event(EventKind.ZERO_GRAD, call, base)
    elif name == "step":
        closure = args[0] if args else kwargs.get("closure")
        if closure is not None and closure.kind is Kind.FUNCTION:
            reader.call_function(closure, [], {}, node)
        call.time = reader.tick()
        reader.event(EventKind.STEP, call, base)
    elif name in {"load_state_dict", "state_dict"}:
        call.kind = Kind.STATE_DICT if name == "state_dict" else Kind.UNKNOWN
        reader.event(EventKind.LOAD_STATE if name == "load_state_dict" else EventKind.STATE_DICT, call, base)
    elif name == "add_param_group":
        base.args.extend(args)
    elif name == "backward" and args:
        reader.event(EventKind.BACKWARD, call, args[0])
    elif base.cls is not None and base.cls.method(name) is not None:
        return None
    return reader.record_call(call)


def scheduler_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    call = reader.make(Kind.UNKNOWN, f"scheduler.{name}", node, args, kwargs, base)
    if name in {"step", "step_update"}:
        reader.event(EventKind.SCHEDULER_STEP, call, base)
    elif name == "state_dict":
        call.kind = Kind.STATE_DICT
        reader.event(EventKind.STATE_DICT, call, base)
    elif name == "load_state_dict":
        reader.event(EventKind.LOAD_STATE, call, base)
    return reader.record_call(call)


def scaler_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    call = reader.make(Kind.UNKNOWN, f"scaler.{name}", node, args, kwargs, base)
    if name == "scale" and args:
        call.kind, call.op = Kind.TENSOR, "scaler.scale"
    elif name == "unscale_":
        reader.event(EventKind.UNSCALE, call, args[0] if args else None)
    elif name == "step":
        reader.event(EventKind.STEP, call, args[0] if args else None)
    elif name == "update":
        reader.event(EventKind.SCALER_UPDATE, call, base)
    elif name == "__call__":
        return None
    return reader.record_call(call)


def container_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    call = reader.make(Kind.CONST, f"list.{name}", node, args, kwargs, base)
    if base.kind is Kind.SEQUENCE:
        if name in {"append", "add"} and args:
            if len(base.args) < 64:
                base.args.append(args[0])
            if reader.frame.loop() is not None and (
                base.frame is None or reader.frame.loop() is not base.frame.loop()
            ):
                base.element = join([base.element, args[0]]) if base.element is not None else args[0]
        elif name in {"extend", "update"} and args and args[0].kind is Kind.SEQUENCE:
            base.args.extend(args[0].args[:64])
            base.element = base.element or args[0].element
        elif name == "extend" and args and args[0].kind in (Kind.TENSOR, Kind.UNKNOWN, Kind.NUMBER):
            item = reader.iterate(args[0], node)
            base.element = join([base.element, item]) if base.element is not None else item
        elif name == "insert" and len(args) > 1:
            base.args.append(args[1])
        elif name == "pop":
            call.kind = Kind.UNKNOWN
            return reader.record_call(call) if not base.args else base.args[-1]
        else:
            call.kind = Kind.UNKNOWN
        return reader.record_call(call)
    items = [*base.attrs.values(), *base.args]
    if name in {"values", "items"}:
        call.kind, call.op, call.args = Kind.SEQUENCE, f"dict.{name}", items
        element = join(items)
        if element is not None:
            key = reader.make(Kind.UNKNOWN, "key", node)
            call.element = (
                element if name == "values" else reader.make(Kind.SEQUENCE, "tuple", node, [key, element])
            )
        return call
    if name in {"get", "pop", "setdefault"} and args and args[0].kind is Kind.CONST:
        found = base.attrs.get(str(args[0].const))
        if found is not None:
            return found
    elif name == "update":
        if args and args[0].kind is Kind.MAPPING:
            base.attrs.update(args[0].attrs)
        base.attrs.update(kwargs)
    elif name == "to" and base.receiver is not None:
        return base
    call.kind = Kind.UNKNOWN
    return reader.record_call(call)


def loader_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    if name == "set_epoch":
        call = reader.make(Kind.CONST, "loader.set_epoch", node, args, kwargs, base)
        reader.event(EventKind.SET_EPOCH, call, base)
        return reader.record_call(call)
    if name in {"__next__", "next"} and not args:  # iter(loader).next(), as it was once written
        return reader.iterate(base, node)
    return None


def tensor_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    """A method of a tensor, or one that only tensors have on something unknown."""
    if name == "backward":
        # accelerator.backward(loss)
        if args and base.kind is Kind.UNKNOWN and args[0].kind in (Kind.TENSOR, Kind.NUMBER):
            call = reader.make(Kind.CONST, "backward", node, args, kwargs, base)
            reader.event(EventKind.BACKWARD, call, args[0])
        else:
            call = reader.make(Kind.CONST, "backward", node, [base, *args], kwargs)
            reader.event(EventKind.BACKWARD, call, base)
        return reader.record_call(call)
    if base.kind is Kind.UNKNOWN:
        found = _unknown_method(reader, base, name, args, kwargs, node)
        if found is not None:
            return found
    is_tensor = base.kind in (Kind.TENSOR, Kind.PARAMETER)
    if name in torch_api.TENSOR_ONLY_METHODS or (is_tensor and name in torch_api.SHARED_METHODS):
        operation = torch_api.SAME_OPERATION.get(name, name)
        if not is_tensor and base.op.startswith(("numpy.", "pandas.")):
            return None
        value = reader.tensor_operation(operation, [base, *args], kwargs, node)
        if operation in torch_api.RELABEL and value.kind is Kind.TENSOR:
            value.kind = base.kind if base.kind is not Kind.PARAMETER else Kind.TENSOR
            if base.kind is Kind.UNKNOWN and name in {"cuda", "cpu", "float", "half", "double", "to", "type"}:
                value.kind = Kind.UNKNOWN
                if base.op == "batch":  # batch.to(device): still the batch
                    return base
                value.attrs = base.attrs
        elif value.kind is Kind.TENSOR and not is_tensor and base.kind is Kind.NUMBER:
            value.kind = Kind.UNKNOWN
        return value
    if (
        name in torch_api.SHARED_METHODS
        and base.kind in (Kind.UNKNOWN, Kind.NUMBER)
        and not base.op.startswith(("numpy.", "pandas."))
    ):
        if name == "size" and base.kind is Kind.UNKNOWN:
            return reader.record_call(
                reader.make(Kind.SIZE, "size" if args else "shape", node, [base, *args], kwargs)
            )
        if base.op == "batch" and name == "to":
            return base
        value = reader.make(
            Kind.UNKNOWN, torch_api.SAME_OPERATION.get(name, name), node, [base, *args], kwargs
        )
        if name in {"to", "int"}:
            value.attrs = base.attrs
        if name in {"max", "min", "sort", "median"} and args:
            return reader.record_call(reader.values_and_indices(value))
        return reader.record_call(value)
    if is_tensor and name not in {"loss", "logits", "items", "keys", "values", "get"}:
        return reader.tensor_operation(torch_api.SAME_OPERATION.get(name, name), [base, *args], kwargs, node)
    return None


def _unknown_method(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value | None:
    """Methods that say what an unknown thing is: an Accelerator, a sampler, a parameter group."""
    if name in {"parameters", "named_parameters"} and base.op in {"getattr", "join"}:  # a module
        for part in (base, *base.alternatives()):
            part.kind = Kind.MODULE if part.kind is Kind.UNKNOWN else part.kind
        return reader.record_call(reader.make(Kind.PARAMETERS, name, node, [base], kwargs, base))
    fabric = "fabric" in base.name.lower() and name.startswith("setup")
    if name == "prepare" and args:  # accelerate's Accelerator
        reader.record_call(reader.make(Kind.UNKNOWN, "accelerate.prepare", node, args, kwargs, base))
    elif name in {"gather", "gather_for_metrics"} and len(args) == 1:  # the same of every process
        return args[0]
    if args and (name == "prepare" or fabric):
        return args[0] if len(args) == 1 else reader.make(Kind.SEQUENCE, "tuple", node, args)
    if name in {"clip_grad_norm_", "clip_grad_value_"} and args:
        call = reader.record_call(reader.make(Kind.UNKNOWN, name, node, args, kwargs, base))
        reader.event(EventKind.CLIP, call, args[0])
        return call
    if name == "set_epoch":
        call = reader.record_call(reader.make(Kind.UNKNOWN, "loader.set_epoch", node, args, kwargs, base))
        reader.event(EventKind.SET_EPOCH, call, base)
        return call
    if name in {"zero_grad"}:
        call = reader.record_call(reader.make(Kind.CONST, "optimizer.zero_grad", node, args, kwargs, base))
        reader.event(EventKind.ZERO_GRAD, call, base)
        return call
    if name in {"no_grad", "no_sync", "autocast", "accumulate"}:
        return reader.make(Kind.CONTEXT, name, node, args, kwargs, base)
    return None


def call_super(
    reader: CallReader, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
) -> Value:
    """`super().name(…)`: the next class of this file, else noted as the framework's own."""
    active = reader.active[-1]
    this = reader.scope.find(active.parameters[0].name) if active.parameters else None
    if active.cls is not None:
        for parent in active.cls.parents:
            method = parent.method(name)
            if method is not None:
                function = reader.function_value(method, node)
                function.receiver = this
                return reader.call_function(function, args, kwargs, node)
    value = reader.make(Kind.UNKNOWN, f"super.{name}", node, args, kwargs, this)
    if name == "__init__" and this is not None and this.kind is Kind.DATASET:
        value.kind = Kind.CONST
    return reader.record_call(value)


BY_KIND: dict[Kind, Handler] = {
    Kind.MODULE: module_method,
    Kind.OPTIMIZER: optimizer_method,
    Kind.SCHEDULER: scheduler_method,
    Kind.SCALER: scaler_method,
    Kind.SEQUENCE: container_method,
    Kind.MAPPING: container_method,
    Kind.LOADER: loader_method,
}
