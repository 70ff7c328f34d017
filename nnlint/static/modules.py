"""Reads calls of modules: layers of torch.nn by their meaning, the file's own by following `forward`."""

from __future__ import annotations

import libcst as cst

from nnlint.static import duck, torch_api
from nnlint.static.expressions import ExpressionReader
from nnlint.static.values import EventKind, Kind, Value, join


class ModuleReader(ExpressionReader):
    """Modules; `CallReader` adds everything else that can be called."""

    def call_module(
        self, module: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        root = self.module_depth == 0
        mode = self.mode_of(module) if root else None
        value = self.apply_module(module, args, kwargs, node)
        if (
            root
            and value.op not in torch_api.LOSSES
            and not (value.op == "module_call" and value.result is None and duck.is_loss_name(module.name))
        ):
            self.event(EventKind.FORWARD, value, module, mode)
        return value

    def apply_module(
        self, module: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        if module.alts:
            parts = [part for part in module.alternatives() if part.kind is Kind.MODULE]
            found = join([self.apply_module(part, args, kwargs, node) for part in parts[:3]])
            if found is not None:
                return found
        name = module.op
        if name in torch_api.WRAPPERS and module.args:
            if id(module) in self.unwrapping:  # `self.net = DataParallel(self.net)` on some way here
                return self.make(Kind.TENSOR, "module_call", node, args, kwargs, module)
            self.unwrapping.add(id(module))
            try:
                inner = self.apply_module(module.args[0], args, kwargs, node)
            finally:
                self.unwrapping.discard(id(module))
            return self.wrap(inner, module, args, kwargs, node)
        if name == "torch.nn.Sequential" and args:
            return self.record_call(self.wrap(self.chain(module, args[0], node), module, args, kwargs, node))
        if name.startswith("torch.nn.") and name not in torch_api.CONTAINERS:
            return self.apply_layer(module, args, kwargs, node)
        forward = module.cls.method("forward") if module.cls is not None else None
        if forward is not None:
            bound = self.function_value(forward, node)
            bound.receiver = module
            self.module_depth += 1
            try:
                inner = self.call_function(bound, args, kwargs, node)
            finally:
                self.module_depth -= 1
            return self.record_call(self.wrap(inner, module, args, kwargs, node))
        value = self.make(Kind.TENSOR, "module_call", node, args, kwargs, module)
        return self.record_call(value)

    def chain(self, sequential: Value, value: Value, node: cst.CSTNode) -> Value:
        """The layers of an `nn.Sequential`, one after the other."""
        for layer in sequential.args[:64]:
            if layer.kind is Kind.MODULE:
                value = self.apply_module(layer, [value], {}, layer.node or node)
            else:
                value = self.make(Kind.TENSOR, "module_call", node, [value], None, layer)
        return value

    def wrap(
        self, inner: Value, module: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        """What a followed `forward` returned, marked as the output of `module`."""
        if inner.kind is Kind.SEQUENCE and inner.element is None and inner.args:
            value = self.make(
                Kind.SEQUENCE,
                inner.op,
                node,
                [self.wrap(item, module, args, kwargs, node) for item in inner.args],
            )
            value.receiver = module
            return value
        if inner.kind is Kind.MAPPING and inner.attrs:
            value = self.make(Kind.MAPPING, "dict", node, receiver=module)
            value.attrs = {
                key: self.wrap(item, module, args, kwargs, node) for key, item in inner.attrs.items()
            }
            return value
        kind = Kind.TENSOR if inner.kind in (Kind.UNKNOWN, Kind.TENSOR, Kind.PARAMETER) else inner.kind
        value = self.make(kind, "module_call", node, args, kwargs, module)
        value.result = inner
        value.attrs = inner.attrs
        return value

    def apply_layer(
        self, module: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        """A layer of torch.nn whose meaning is known."""
        operation = torch_api.module_operation(module.op)
        value = self.make(Kind.TENSOR, operation, node, args, kwargs, module)
        if operation in torch_api.LOSSES:
            self.event(EventKind.LOSS, value, module)
        elif module.op in torch_api.RECURRENT or operation in {"multihead_attention", "lstm_cell"}:
            second = self.make(Kind.TENSOR, f"{operation}_state", node, args, kwargs, module)
            if operation in {"lstm"}:
                state = self.make(
                    Kind.SEQUENCE,
                    "tuple",
                    node,
                    [second, self.make(Kind.TENSOR, "lstm_state", node, args, kwargs, module)],
                )
                second = state
            pair = self.make(Kind.SEQUENCE, operation, node, [value, second], kwargs, module)
            self.record_call(value)
            return self.record_call(pair)
        return self.record_call(value)
