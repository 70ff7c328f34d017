"""Reads calls: what is called, with what, and what comes out. Follows functions of the file."""

from __future__ import annotations

import libcst as cst

from nnlint.static import duck, known_calls, methods, torch_api
from nnlint.static.modules import ModuleReader
from nnlint.static.scan import ClassInfo
from nnlint.static.state import DEEPEST_CALL, FOLLOW_LIMIT, Scope, adopt
from nnlint.static.values import EventKind, Kind, Value, join

# Calls that hand their first argument on as it is.
PASS_ON = frozenset({
    "builtins.iter", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.trange",
    "rich.progress.track", "tqdm",
    "builtins.reversed", "torch.autograd.Variable",
    "torch_xla.distributed.parallel_loader.MpDeviceLoader",
    "itertools.islice", "itertools.cycle", "typing.cast",
})  # fmt: skip
# What a call that cannot be followed may change.
HANDS_TO_OPAQUE = frozenset({Kind.MODULE, Kind.OPTIMIZER, Kind.LOADER})


class CallReader(ModuleReader):
    """Calls; `StatementReader` adds the bodies of functions and classes."""

    def run_function(
        self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        raise NotImplementedError

    def read_call(self, node: cst.Call) -> Value:
        function = node.func
        method: str | None = None
        if isinstance(function, cst.Attribute):
            base = self.evaluate(function.value)
            method = function.attr.value
        elif (
            isinstance(function, cst.Name)
            and function.value == "super"
            and self.active
            and self.active[-1].cls is not None
        ):
            return self.make(Kind.UNKNOWN, "super", node)
        else:
            base = self.evaluate(function)
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        for argument in node.args:
            value = self.evaluate(argument.value)
            if argument.keyword is not None:
                kwargs[argument.keyword.value] = value
            elif argument.star == "*":
                if value.kind is Kind.SEQUENCE and value.element is None:
                    args.extend(value.args)
                else:
                    args.append(self.make(Kind.UNKNOWN, "star", argument.value, [value]))
            elif argument.star == "**":
                if value.kind is Kind.MAPPING and not value.args:
                    kwargs.update(value.attrs)
                else:
                    kwargs["**"] = value
            else:
                args.append(value)
        if method is None:
            return self.call(base, args, kwargs, node)
        return self.call_method(base, method, args, kwargs, node)

    # -- calling a value ------------------------------------------------------------------------

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
        kind = function.kind
        if kind is Kind.NAME:
            return self.call_name(function.op, args, kwargs, node)
        if kind is Kind.MODULE:
            return self.call_module(function, args, kwargs, node)
        if kind is Kind.FUNCTION:
            return self.call_function(function, args, kwargs, node)
        if kind is Kind.CLASS and function.cls is not None:
            return self.construct(function.cls, args, kwargs, node)
        if kind is Kind.INSTANCE and function.cls is not None:
            method = function.cls.method("__call__")
            if method is not None:
                bound = self.function_value(method, node)
                bound.receiver = function
                return self.call_function(bound, args, kwargs, node)
        if function.alts and kind in (Kind.UNKNOWN,):
            parts = [
                self.call(part, args, kwargs, node)
                for part in function.alternatives()[:3]
                if part.kind is not Kind.UNKNOWN
            ]
            found = join(parts)
            if found is not None:
                return found
        value = self.make(Kind.UNKNOWN, "call", node, args, kwargs, function)
        if duck.is_loss_name(function.name) and any(arg.kind is Kind.TENSOR for arg in args):
            value.kind = Kind.TENSOR
        if function.op == "getattr" and function.args and function.args[0].kind is Kind.MODULE:
            value.kind = Kind.TENSOR  # a method or a child of a module
        self.opaque(value, args, kwargs)
        return self.record_call(value)

    def opaque(self, call: Value, args: list[Value], kwargs: dict[str, Value]) -> None:
        """Note what a call that cannot be followed gets into its hands."""
        for arg in (*args, *kwargs.values()):
            if arg.kind in HANDS_TO_OPAQUE or (arg.kind is Kind.INSTANCE and arg.cls is not None):
                self.event(EventKind.OPAQUE, call, arg)

    def call_function(
        self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        info = function.function
        if function.op == "lambda" and isinstance(function.node, cst.Lambda):
            return self.call_lambda(function, args, kwargs, node)
        if info is None:
            value = self.make(Kind.UNKNOWN, "call", node, args, kwargs, function)
            self.opaque(value, args, kwargs)
            return self.record_call(value)
        if (
            len(self.active) >= DEEPEST_CALL
            or self.active.count(info) >= 1
            or info.reads >= (2 if info.quiet else FOLLOW_LIMIT)
            or self.fuel <= 0
        ):
            if not info.quiet:
                self.exhausted = self.exhausted or self.fuel <= 0
            value = self.make(Kind.UNKNOWN, "call", node, args, kwargs, function)
            if any(arg.kind is Kind.TENSOR for arg in args):
                value.kind = Kind.TENSOR
            self.opaque(value, args, kwargs)
            return self.record_call(value)
        return self.run_function(function, args, kwargs, node)

    def call_lambda(
        self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        body = function.node
        assert isinstance(body, cst.Lambda)
        if self.depth > 60:
            return self.make(Kind.UNKNOWN, "call", node, args)
        scope = Scope(self.scope)
        scope.vars = dict(function.attrs)
        for parameter, value in zip(body.params.params, args, strict=False):
            scope.vars[parameter.name.value] = value
        for parameter in body.params.params[len(args) :]:
            scope.vars[parameter.name.value] = kwargs.get(parameter.name.value) or self.make(
                Kind.UNKNOWN, "param", parameter
            )
        before, self.scope = self.scope, scope
        try:
            return self.evaluate(body.body)
        finally:
            self.scope = before

    def construct(
        self, cls: ClassInfo, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        """An object of a class of this file, its `__init__` followed."""
        kind = Kind.MODULE if cls.is_module else Kind.DATASET if cls.is_dataset else Kind.INSTANCE
        if any(torch_api.is_optimizer(base) or base == "torch.optim.Optimizer" for base in cls.base_names()):
            kind = Kind.OPTIMIZER
        value = self.make(kind, f".{cls.name}", node, args, kwargs)
        value.cls = cls
        if kind is Kind.MODULE:
            self.modes[id(value)] = ("train", self.clock)
        init = cls.method("__init__")
        if init is not None:
            bound = self.function_value(init, node)
            bound.receiver = value
            depth, self.module_depth = self.module_depth, self.module_depth
            self.call_function(bound, args, kwargs, node)
            self.module_depth = depth
        elif cls.node.decorators or not cls.bases:  # a dataclass: the fields are the arguments
            value.attrs.update(kwargs)
        value.time = self.tick()
        self.instances.append(value)
        return self.record_call(value)

    # -- calling by qualified name --------------------------------------------------------------

    def call_name(self, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
        handler = known_calls.BY_NAME.get(name)
        if handler is not None:
            found = handler(self, args, kwargs, node)
            if found is not None:
                return found
        if name in PASS_ON and args:
            if name == "torch.autograd.Variable":
                return self.record_call(self.make(args[0].kind, "variable", node, args, kwargs))
            return args[0]
        if name in torch_api.WRAPPERS and args and args[0].kind in (Kind.MODULE, Kind.UNKNOWN):
            value = self.make(Kind.MODULE, name, node, args, kwargs)
            value.cls = None
            return self.record_call(value)
        if name.startswith("torch.nn.") and name.rpartition(".")[2][:1].isupper():
            return self.construct_layer(name, args, kwargs, node)
        operation = torch_api.operation(name)
        if operation is not None:
            return self.tensor_operation(operation, args, kwargs, node)
        kind = duck.kind_made_by(name)
        value = self.make(kind, name, node, args, kwargs)
        if kind is Kind.UNKNOWN and not name.startswith(
            ("builtins.", "math.", "numpy.", "time.", "os.", "random.", "torch.")
        ):
            self.opaque(value, args, kwargs)
        elif kind is Kind.MODULE:
            self.modes[id(value)] = ("train", self.clock)
        return self.record_call(value)

    def construct_layer(
        self, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        short = name.rpartition(".")[2]
        if short in {"Parameter", "Buffer", "UninitializedParameter"}:
            kind = Kind.PARAMETER if short != "Buffer" else Kind.TENSOR
            return self.record_call(self.make(kind, name, node, args, kwargs))
        value = self.make(Kind.MODULE, name, node, args, kwargs)
        self.modes[id(value)] = ("train", self.clock)
        if name in torch_api.CONTAINERS:
            self.fill_container(value)
        elif name.startswith("torch.nn.Transformer"):
            for arg in args:
                arg.owner = arg.owner or value
        return self.record_call(value)

    def fill_container(self, value: Value) -> None:
        """`nn.Sequential(*layers)`, `nn.ModuleList([...])`,
        `nn.Sequential(OrderedDict([...]))`: the children."""
        items: list[Value] = []
        for arg in value.args:
            if arg.kind is Kind.SEQUENCE:
                if value.element is None:
                    value.element = arg.element
                items.extend(arg.args)
            elif arg.kind is Kind.MAPPING:
                items.extend(arg.attrs.values())
                items.extend(arg.args)
                value.kwargs.update(arg.attrs)
                # `self.transformer.wte`, as nanoGPT reads its `ModuleDict`
                value.attrs.update({key: item for key, item in arg.attrs.items() if item.kind is Kind.MODULE})
            elif arg.op == "star" and arg.args and arg.args[0].kind is Kind.SEQUENCE:
                value.element = arg.args[0].element
                items.extend(arg.args[0].args)
            else:
                items.append(arg)
        # ("name", module) pairs, as in OrderedDict([("conv", nn.Conv2d(…)), …])
        value.args = [
            item.args[1] if item.kind is Kind.SEQUENCE and len(item.args) == 2 else item for item in items
        ]
        for item in value.args:
            adopt(value, item)

    def tensor_operation(
        self, operation: str, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        """One operation on tensors, whether written as a function or as a method."""
        if "input" in kwargs and not args:
            args = [kwargs["input"]]
        kind = Kind.TENSOR
        if operation in torch_api.TO_PYTHON:
            kind = Kind.NUMBER if operation != "numpy" else Kind.UNKNOWN
        elif operation in {"size"}:
            kind = Kind.SIZE
            if len(args) == 1:
                operation = "shape"
        value = self.make(kind, operation, node, args, kwargs)
        if (
            operation in {"max", "min", "sort", "topk", "median", "mode", "kthvalue", "cummax"}
            and (len(args) > 1 or "dim" in kwargs or operation in {"sort", "topk"})
            and (
                operation not in {"max", "min"}
                or "dim" in kwargs
                or (len(args) > 1 and args[1].kind is not Kind.TENSOR)
            )
        ):
            return self.record_call(self.values_and_indices(value))
        if operation in {"split", "chunk", "unbind", "split_with_sizes"}:
            value.kind = Kind.SEQUENCE
            value.element = self.make(Kind.TENSOR, "part", node, value.args, kwargs, const=operation)
        elif operation in {"meshgrid", "broadcast_tensors"}:
            value.kind = Kind.UNKNOWN
        if operation in torch_api.LOSSES:
            self.event(EventKind.LOSS, value, None)
        elif operation == "requires_grad_" and args:
            self.freeze(value, args[0], args[1] if len(args) > 1 else kwargs.get("requires_grad"))
            return self.record_call(value)
        elif operation in {"scaled_dot_product_attention"}:
            pass
        return self.record_call(value)

    def values_and_indices(self, value: Value) -> Value:
        """`x.max(1)` gives (values, indices): the indices are an `argmax`."""
        op = {"max": "argmax", "min": "argmin", "topk": "argmax", "sort": "argsort"}.get(value.op, "argsort")
        values = self.make(Kind.TENSOR, f"{value.op}_values", value.node, value.args, value.kwargs)
        indices = self.make(Kind.TENSOR, op, value.node, value.args, value.kwargs)
        if value.op == "topk":
            indices = self.make(Kind.TENSOR, "topk_indices", value.node, value.args, value.kwargs)
        pair = self.make(Kind.SEQUENCE, value.op, value.node, [values, indices], value.kwargs)
        pair.attrs = {"values": values, "indices": indices}
        return pair

    def freeze(self, call: Value, target: Value, flag: Value | None) -> None:
        if flag is None or flag.is_const(True):
            self.event(EventKind.UNFREEZE, call, target)
        elif flag.is_const(False):
            self.event(EventKind.FREEZE, call, target)

    # -- methods --------------------------------------------------------------------------------

    def call_method(
        self, base: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: cst.Call
    ) -> Value:
        kind = base.kind
        if kind is Kind.NAME:
            return self.call_name(self.named(f"{base.op}.{name}").op, args, kwargs, node)
        if base.op == "super":
            return methods.call_super(self, base, name, args, kwargs, node)
        by_kind = methods.BY_KIND.get(kind)
        if by_kind is not None:
            found: Value | None = by_kind(self, base, name, args, kwargs, node)
            if found is not None:
                return found
        if kind in (Kind.TENSOR, Kind.PARAMETER, Kind.UNKNOWN, Kind.NUMBER, Kind.SIZE):
            found = methods.tensor_method(self, base, name, args, kwargs, node)
            if found is not None:
                return found
        function = self.attribute(base, name, node.func)
        if function.kind in (Kind.FUNCTION, Kind.MODULE, Kind.CLASS, Kind.INSTANCE):
            return self.call(function, args, kwargs, node)
        value = self.make(Kind.UNKNOWN, f".{name}", node, args, kwargs, base)
        if kind is Kind.MODULE:
            value.kind = (
                Kind.TENSOR
                if name not in {"generate", "config", "get_lr", "fit", "log", "print"}
                else Kind.UNKNOWN
            )
        self.opaque(value, [base, *args] if kind in (Kind.INSTANCE, Kind.UNKNOWN) else args, kwargs)
        return self.record_call(value)
