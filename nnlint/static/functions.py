"""Reads definitions and follows calls into them: arguments to parameters, body to result."""

from __future__ import annotations

import libcst as cst

from nnlint.static import duck
from nnlint.static.calls import CallReader
from nnlint.static.scan import ClassInfo, FunctionInfo, Parameter, Scan
from nnlint.static.state import Scope
from nnlint.static.values import Frame, Kind, Value, join

# The steps of a LightningModule, in the order in which the trainer calls them.
LIGHTNING_STEPS = ("configure_optimizers", "training_step", "validation_step", "test_step", "predict_step")


class FunctionReader(CallReader):
    """Functions and classes; `StatementReader` adds the statements of their bodies."""

    def __init__(self, scan: Scan) -> None:
        super().__init__(scan)
        self.closures: dict[int, Scope] = {}  # id(FunctionInfo) -> the scope it was defined in
        self._class_scopes: dict[int, dict[str, Value]] = {}
        self._unknown: dict[int, Value] = {}  # id(ClassInfo) -> an object that no call was seen to make

    @property
    def class_scopes(self) -> dict[int, dict[str, Value]]:
        return self._class_scopes

    def body(self, node: cst.BaseSuite) -> str | None:
        raise NotImplementedError

    def read_function(self, node: cst.FunctionDef) -> None:
        info = self.scan.by_node[id(node)]
        assert isinstance(info, FunctionInfo)
        value = self.function_value(info, node)
        value.attrs = {}
        value.element = None
        self.closures[id(info)] = self.scope
        for decorator in node.decorators:
            self.evaluate(decorator.decorator)
        self.grad = self.grad if not node.decorators else self._grad_after_decorators()
        self.scope.vars[info.name] = value

    def _grad_after_decorators(self) -> bool | None:
        # `@torch.set_grad_enabled(False)` is read as a call above, but decorating changes nothing here.
        return True if self.scope is self.module_scope else self.grad

    def read_class(self, node: cst.ClassDef) -> None:
        info = self.scan.by_node[id(node)]
        assert isinstance(info, ClassInfo)
        for base in node.bases:
            value = self.evaluate(base.value)
            for part in value.alternatives():
                if part.kind is Kind.CLASS and part.cls is not None:
                    info.parents.append(part.cls)
                    info.bases.append(f".{part.cls.name}")
                else:
                    info.bases.append(part.op if part.kind is Kind.NAME else f"?{part.name}")
        value = self.make(Kind.CLASS, info.name, node)
        value.cls = info
        value.name = info.name
        self.scope.vars[info.name] = value
        scope = Scope(self.scope)
        before, self.scope = self.scope, scope
        try:
            self.body(node.body)
        finally:
            self.scope = before
        for method in info.methods.values():
            self.closures[id(method)] = before
        self._class_scopes[id(info)] = {
            name: item
            for name, item in scope.vars.items()
            if item.function is None or item.function.cls is not info
        }

    def run_function(
        self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        """Follow a call: the body with these arguments, what it returns."""
        info = function.function
        assert info is not None
        scope = Scope(self.closures.get(id(info), self.module_scope), info)
        self.bind_arguments(info, function.receiver, args, kwargs, scope)
        info.reads += 1
        counts = (len(self.events), len(self.branches))
        before_scope, before_grad, depth = self.scope, self.grad, self.depth
        self.scope, self.depth = scope, 0
        if info.node.decorators:
            self.grad = _decorated_grad(self, info, self.grad)
        self.active.append(info)
        self.returns.append([])
        frame = Frame("function", node, self.frame, self.tick(), function, function=info)
        try:
            with self.within(frame):
                end = self.body(info.node.body)
        finally:
            found = self.returns.pop()
            self.active.pop()
            self.scope, self.grad, self.depth = before_scope, before_grad, depth
        info.quiet = counts == (len(self.events), len(self.branches)) and info.cls is None
        if info.is_generator:
            value = self.make(Kind.SEQUENCE, "generator", node, found)
            value.element = join(found)
            return value
        if end is None and found:
            found = [item for item in found if not item.is_const(None)] or found
        return join(found) or self.const(node, None)

    def unknown_instance(self, cls: ClassInfo) -> Value:
        """An object of a class of this file that is made elsewhere: its `__init__` with unknown arguments."""
        if id(cls) in self._unknown:
            return self._unknown[id(cls)]
        kind = Kind.MODULE if cls.is_module else Kind.DATASET if cls.is_dataset else Kind.INSTANCE
        this = self._unknown[id(cls)] = self.make(kind, f".{cls.name}", cls.node)
        this.cls = cls
        this.name = "self"
        if kind is Kind.MODULE and not cls.is_lightning:
            self.modes[id(this)] = (None, self.tick())
        self.instances.append(this)
        init = cls.method("__init__")
        if init is not None and init.reads < 4:
            self.read_alone(init, this)
        return this

    def read_alone(self, info: FunctionInfo, this: Value | None) -> None:
        """A function that the file does not call: parameters are what annotation, use and name say."""
        if self.fuel <= 0:
            self.fuel = 200  # each function is looked at, however large the file
        function = self.function_value(info, info.node)
        function.receiver = this
        arguments: list[Value] = []
        parameters = info.parameters[1:] if this is not None else info.parameters
        steps = info.cls is not None and info.cls.is_lightning and info.name in LIGHTNING_STEPS[1:]
        keyword: dict[str, Value] = {}
        for position, parameter in enumerate(parameters):
            if parameter.star:
                break
            value = self.unknown_parameter(info, parameter)
            if steps and position == 0:
                loader = self.make(
                    Kind.LOADER, "lightning.loader", parameter.node, const=info.name.partition("_")[0]
                )
                value = self.make(Kind.UNKNOWN, "batch", parameter.node, [loader])
                value.name = parameter.name
            if parameter.keyword_only:
                keyword[parameter.name] = value
            else:
                arguments.append(value)
        frame, depth, grad = self.frame, self.module_depth, self.grad
        self.frame = Frame("module", info.node, None, self.tick())
        self.grad = not steps or info.name == "training_step"
        self.module_depth = 1 if info.name == "forward" and this is not None else 0
        try:
            self.call_function(function, arguments, keyword, info.node)
        finally:
            self.frame, self.module_depth, self.grad = frame, depth, grad
            info.reads = max(info.reads, 1)

    def bind_arguments(
        self,
        info: FunctionInfo,
        receiver: Value | None,
        args: list[Value],
        kwargs: dict[str, Value],
        scope: Scope,
    ) -> None:
        given = list(args)
        if receiver is not None:
            given.insert(0, receiver)
        remaining = dict(kwargs)
        unknown_star = any(value.op == "star" for value in given) or "**" in remaining
        for parameter in info.parameters:
            name = parameter.name
            if parameter.star == "*":
                value = self.make(Kind.SEQUENCE, "tuple", parameter.node, given)
                given = []
            elif parameter.star == "**":
                value = self.make(Kind.MAPPING, "dict", parameter.node)
                value.attrs = {key: item for key, item in remaining.items() if key != "**"}
                remaining = {}
            elif given and not parameter.keyword_only and given[0].op != "star":
                value = given.pop(0)
            elif name in remaining:
                value = remaining.pop(name)
            elif parameter.default is not None and not unknown_star:
                value = self.evaluate(parameter.default)
            else:
                value = self.unknown_parameter(info, parameter)
            if value.kind is Kind.UNKNOWN and not value.alts and value.op not in {"param", "batch"}:
                kind = duck.kind_by_use(name, info.uses.get(name, set()))
                if kind is not None:
                    value.kind = kind
            scope.vars[name] = value
            if not value.name and value is not receiver:
                value.name = name

    def unknown_parameter(self, info: FunctionInfo, parameter: Parameter) -> Value:
        """What a parameter is where no call shows: by annotation, use, and name."""
        value = self.make(Kind.UNKNOWN, "param", parameter.node)
        value.name = parameter.name
        if parameter.star:
            return value
        kind: Kind | None = None
        if parameter.annotation is not None:
            kind, cls = self.annotated(parameter.annotation)
            if cls is not None:
                # An object of its own, so that what one function does to it tells nothing of another's.
                value.cls, value.attrs = cls, self.unknown_instance(cls).attrs
        uses = info.uses.get(parameter.name, set())
        if kind is None:
            kind = duck.kind_by_use(parameter.name, uses) or duck.kind_by_name(parameter.name, uses)
        if (
            kind is None
            and info.name == "forward"
            and info.cls is not None
            and info.cls.is_module
            and parameter.default is None
        ):
            kind = Kind.TENSOR
        if kind is None and info.name == "__getitem__" and info.cls is not None and info.cls.is_dataset:
            kind = Kind.NUMBER  # the index of a sample
        value.kind = kind or Kind.UNKNOWN
        if parameter.default is not None:
            default = self.evaluate(parameter.default)
            if default.is_const(None):
                kind_before = value.kind
                joined = join([value, default])
                assert joined is not None
                joined.kind, joined.name = kind_before, parameter.name
                return joined
        return value

    def annotated(self, node: cst.BaseExpression) -> tuple[Kind | None, ClassInfo | None]:
        """The kind that an annotation states, and the class if it is one of this file's modules."""
        if isinstance(node, cst.Subscript):  # Optional[X], list[X]
            if isinstance(node.value, (cst.Name, cst.Attribute)) and dotted(node.value).endswith("Optional"):
                part = node.slice[0].slice
                return self.annotated(part.value) if isinstance(part, cst.Index) else (None, None)
            name = self.evaluate(node.value).op
            return duck.kind_by_annotation(name) or Kind.UNKNOWN, None
        if isinstance(node, cst.BinaryOperation):  # X | None
            return self.annotated(node.left)
        if isinstance(node, cst.SimpleString):
            return None, None
        value = self.evaluate(node)
        if value.kind is Kind.CLASS and value.cls is not None:
            return (Kind.MODULE, value.cls) if value.cls.is_module else (Kind.UNKNOWN, None)
        return duck.kind_by_annotation(value.op) if value.kind is Kind.NAME else None, None


def _decorated_grad(reader: FunctionReader, info: FunctionInfo, grad: bool | None) -> bool | None:
    """`@torch.no_grad()` and the like, with or without parentheses."""
    for decorator in info.node.decorators:
        node = decorator.decorator
        function = node.func if isinstance(node, cst.Call) else node
        name = reader.evaluate(function).op
        if name in {"torch.no_grad", "torch.inference_mode"}:
            grad = False
        elif name == "torch.enable_grad":
            grad = True
        elif name == "torch.set_grad_enabled" and isinstance(node, cst.Call) and node.args:
            grad = reader.truth(reader.evaluate(node.args[0].value))
    return grad


def dotted(node: cst.CSTNode) -> str:
    """`a.b.c` as text; empty for anything else."""
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""
