"""Reads statements in the order in which they run: branches, loops, definitions, calls that are followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import libcst as cst

from nnlint.static import duck, torch_api
from nnlint.static.calls import CallReader
from nnlint.static.expressions import BINARY
from nnlint.static.scan import ClassInfo, FunctionInfo, Parameter
from nnlint.static.state import Scope
from nnlint.static.values import EventKind, Frame, Kind, Value, join

# A loop over so few constant strings (`for phase in ["train", "val"]`) is read once for each.
UNROLLED = 4


class StatementReader(CallReader):
    """The whole reader."""

    def __init__(self, scan: Any) -> None:
        super().__init__(scan)
        self._class_scopes: dict[int, dict[str, Value]] = {}

    @property
    def class_scopes(self) -> dict[int, dict[str, Value]]:
        return self._class_scopes

    # -- blocks ---------------------------------------------------------------------------------

    def block(self, statements: Iterable[cst.CSTNode]) -> str | None:
        """Read statements until one ends the block; the rest cannot be reached."""
        frame = self.frame
        try:
            for statement in statements:
                self.fuel -= 1
                end = self.statement(statement)
                if end is not None:
                    return end
            return None
        finally:
            self.frame = frame

    def body(self, node: cst.BaseSuite) -> str | None:
        return self.block(node.body)

    def statement(self, node: cst.CSTNode) -> str | None:
        if isinstance(node, cst.SimpleStatementLine):
            for small in node.body:
                handler = _SMALL.get(type(small))
                if handler is not None:
                    end = handler(self, small)
                    if end is not None:
                        return end
            return None
        handler = _COMPOUND.get(type(node)) or _SMALL.get(type(node))
        return handler(self, node) if handler is not None else None

    # -- assignments ----------------------------------------------------------------------------

    def read_assign(self, node: cst.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target.target, value, node)

    def read_annotated(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value), node)

    def read_augmented(self, node: cst.AugAssign) -> None:
        before = self.evaluate(node.target)
        right = self.evaluate(node.value)
        op = BINARY.get(type(node.operator), "?")
        if before.kind is Kind.SEQUENCE and op == "add" and right.kind is Kind.SEQUENCE:
            before.args.extend(right.args[:64])
            before.element = before.element or right.element
            return
        value = self.binary(op, before, right, node)
        name = _name_of(node.target)
        self.fact("augmented", node, name, value, target=before)
        self.store(node.target, value, node)

    def assign(self, target: cst.BaseExpression, value: Value, statement: cst.CSTNode) -> None:
        if isinstance(target, (cst.Tuple, cst.List)):
            self.unpack(target, value, statement)
            return
        if isinstance(target, cst.Name):
            self.fact("name", statement, target.value, value)
        self.store(target, value, statement)

    def store(self, target: cst.BaseExpression, value: Value, statement: cst.CSTNode) -> None:
        if isinstance(target, cst.Name):
            self.bind(target.value, value)
        elif isinstance(target, cst.Attribute):
            owner = self.evaluate(target.value)
            self.fact("attribute", statement, target.attr.value, value, owner)
            for item in owner.alternatives() if owner.alts else [owner]:
                self.set_attribute(item, target.attr.value, value, target)
        elif isinstance(target, cst.Subscript):
            owner = self.evaluate(target.value)
            keys = [self.index(element.slice) for element in target.slice]
            self.fact("subscript", statement, "", value, owner)
            key = keys[0] if len(keys) == 1 else None
            if owner.kind is Kind.MAPPING:
                if key is not None and key.kind is Kind.CONST:
                    owner.attrs[str(key.const)] = value
                else:
                    owner.args.append(value)
            elif owner.kind is Kind.SEQUENCE and key is not None and key.kind is Kind.CONST and type(key.const) is int:
                if -len(owner.args) <= key.const < len(owner.args):
                    owner.args[key.const] = value
            elif owner.kind is Kind.MODULE:
                owner.attrs[f"?{len(owner.attrs)}"] = value
        elif isinstance(target, cst.StarredElement):
            self.assign(target.value, value, statement)

    def set_attribute(self, owner: Value, name: str, value: Value, node: cst.Attribute) -> None:
        if name == "requires_grad" and owner.kind is not Kind.INSTANCE:
            self.freeze(self.make(Kind.CONST, "requires_grad", node, [owner, value]), owner, value)
            return
        if owner.kind is Kind.NAME:
            return
        if not value.name:
            value.name = f"{node.value.value}.{name}" if isinstance(node.value, cst.Name) else name
        if value.kind is Kind.MODULE and owner.kind is Kind.MODULE and value.owner is None and value is not owner:
            value.owner = owner
        uses: set[str] = set()
        cls = owner.cls
        if cls is not None:
            for part in cls.lineage():
                uses |= part.uses.get(name, set())
            if value.kind is Kind.UNKNOWN and not value.alts:
                value.kind = duck.kind_by_use(name, uses) or value.kind
            if any(name in part.set_outside_init for part in cls.lineage()) and (
                value.kind in (Kind.CONST, Kind.NUMBER, Kind.UNKNOWN, Kind.TENSOR) or name in owner.attrs
            ):
                before = owner.attrs.get(name)
                if before is not None and before.op == "phi":
                    if len(before.alts) < 16:
                        before.alts.append(value)
                    return
                if value.kind in (Kind.CONST, Kind.NUMBER) or before is not None:
                    owner.attrs[name] = self.phi([before, value] if before is not None and before is not value else [value])
                    owner.attrs[name].name = value.name
                    return
        owner.attrs[name] = value

    def unpack(self, target: cst.Tuple | cst.List, value: Value, statement: cst.CSTNode) -> None:
        elements = target.elements
        star = next((i for i, element in enumerate(elements) if isinstance(element, cst.StarredElement)), None)
        sources = [part for part in value.alternatives() if not part.is_const(None)] if value.alts else [value]
        parts: list[list[Value]] = [self.items(part, len(elements), star, statement) for part in sources[:4]]
        for position, element in enumerate(elements):
            item = join([part[position] for part in parts])
            self.assign(element.value, item or self.make(Kind.UNKNOWN, "item", statement), statement)

    def items(self, value: Value, count: int, star: int | None, node: cst.CSTNode) -> list[Value]:
        """`count` values for `a, b, c = value`."""
        if value.kind is Kind.SEQUENCE and value.element is None:
            if star is None and len(value.args) == count:
                return list(value.args)
            if star is not None and len(value.args) >= count - 1:
                tail = count - 1 - star
                rest = value.args[star : len(value.args) - tail]
                middle = self.make(Kind.SEQUENCE, "list", node, rest)
                return [*value.args[:star], middle, *(value.args[len(value.args) - tail :] if tail else [])]
        if value.element is not None:
            return [value.element] * count
        if value.op == "batch":
            return [self.batch_item(value, i if star is None else (i if i < star else None), node) for i in range(count)]
        if value.op == "shape":
            return [
                self.make(Kind.SIZE, "size", node, [value.args[0], self.const(node, i if star is None else i - count)])
                for i in range(count)
            ]
        if value.kind is Kind.MODULE:
            return [self.make(Kind.UNKNOWN, "item", node, [value]) for _ in range(count)]
        kind = Kind.TENSOR if value.kind is Kind.TENSOR else Kind.UNKNOWN
        items = [self.make(kind, "item_of", node, [value], const=i) for i in range(count)]
        for item in items:
            item.receiver = value.receiver
        return items

    def read_delete(self, node: cst.Del) -> None:
        if isinstance(node.target, cst.Name):
            self.fact("del", node, node.target.value, self.scope.vars.pop(node.target.value, None) or self.const(node, None))

    def read_expression(self, node: cst.Expr) -> None:
        value = self.evaluate(node.value)
        self.fact("expression", node, "", value)

    # -- leaving --------------------------------------------------------------------------------

    def read_return(self, node: cst.Return) -> str:
        value = self.evaluate(node.value) if node.value is not None else self.const(node, None)
        self.fact("return", node, "", value)
        if self.returns:
            self.returns[-1].append(value)
        return "return"

    def read_raise(self, node: cst.Raise) -> str:
        if node.exc is not None:
            self.evaluate(node.exc)
        return "raise"

    def read_assert(self, node: cst.Assert) -> None:
        self.evaluate(node.test)

    # -- imports --------------------------------------------------------------------------------

    def read_import(self, node: cst.Import) -> None:
        for alias in node.names:
            name = _dotted(alias.name)
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.scope.vars[alias.asname.name.value] = self.named(name)
            else:
                first = name.partition(".")[0]
                self.scope.vars[first] = self.named(first)

    def read_import_from(self, node: cst.ImportFrom) -> None:
        module = "." * len(node.relative) + (_dotted(node.module) if node.module is not None else "")
        if isinstance(node.names, cst.ImportStar):
            self.stars.append(module)
            return
        for alias in node.names:
            name = _dotted(alias.name)
            bound = alias.asname.name.value if alias.asname is not None and isinstance(alias.asname.name, cst.Name) else name
            separator = "" if module.endswith(".") else "."
            self.scope.vars[bound] = self.named(f"{module}{separator}{name}")

    # -- branches -------------------------------------------------------------------------------

    def read_if(self, node: cst.If) -> str | None:  # type: ignore[override]
        test = self.evaluate(node.test)
        truth = self.truth(test)
        if truth is True:
            return self.body(node.body)
        if truth is False:
            return self.otherwise(node.orelse)
        saved, modes, grad = dict(self.scope.vars), dict(self.modes), self.grad
        frame = Frame("if", node, self.frame, self.tick(), test)
        self.branches.append(frame)
        with self.within(frame):
            first = self.body(node.body)
        then_vars, then_modes = self.scope.vars, self.modes
        self.scope.vars, self.modes, self.grad = saved, modes, grad
        other = Frame("if", node, self.frame, self.tick(), test, branch=False)
        with self.within(other):
            second = self.otherwise(node.orelse)
        if first is not None and second is not None:
            return first if first == second else "mixed"
        if first is not None or second is not None:
            if second is not None:
                self.scope.vars, self.modes = then_vars, then_modes
            if (first or second) in {"continue", "return", "break"}:
                self.frame = Frame("if", node, self.frame, self.tick(), test, branch=second is not None, guard=True)
            return None
        self.scope.vars = self.merge(then_vars, self.scope.vars)
        self.modes = _merge_modes(then_modes, self.modes)
        return None

    def otherwise(self, node: cst.If | cst.Else | None) -> str | None:
        if node is None:
            return None
        if isinstance(node, cst.If):
            return self.block([node])
        return self.body(node.body)

    def merge(self, first: dict[str, Value], second: dict[str, Value]) -> dict[str, Value]:
        if first == second:
            return first
        merged = dict(second)
        for name, value in first.items():
            other = second.get(name)
            if other is None:
                merged[name] = value
            elif other is not value:
                joined = join([value, other])
                assert joined is not None
                joined.time, joined.frame = self.clock, self.frame
                merged[name] = joined
        return merged

    def read_match(self, node: cst.Match) -> str | None:
        subject = self.evaluate(node.subject)
        before = dict(self.scope.vars)
        merged = before
        for case in node.cases:
            self.scope.vars = dict(before)
            with self.within(Frame("if", case, self.frame, self.tick(), subject)):
                if self.body(case.body) is None:
                    merged = self.merge(self.scope.vars, merged)
        self.scope.vars = merged
        return None

    def read_try(self, node: cst.Try | cst.TryStar) -> str | None:
        before = dict(self.scope.vars)
        with self.within(Frame("try", node, self.frame, self.tick())):
            end = self.body(node.body)
            if end is None and node.orelse is not None:
                end = self.body(node.orelse.body)
        after = self.scope.vars
        for handler in node.handlers:
            self.scope.vars = self.merge(dict(before), dict(after))
            if handler.name is not None:
                self.assign(handler.name.name, self.make(Kind.UNKNOWN, "exception", handler), handler)
            with self.within(Frame("try", handler, self.frame, self.tick(), branch=False)):
                handled = self.body(handler.body)
            if handled is None:
                after = self.merge(after, self.scope.vars) if end is None else self.scope.vars
                end = None
        self.scope.vars = after
        if node.finalbody is not None:
            end = self.body(node.finalbody.body) or end
        return end

    # -- loops ----------------------------------------------------------------------------------

    def read_for(self, node: cst.For) -> str | None:
        iterable = self.evaluate(node.iter)
        if (
            iterable.kind is Kind.SEQUENCE
            and iterable.element is None
            and 0 < len(iterable.args) <= UNROLLED
            and all(item.kind is Kind.CONST and isinstance(item.const, (str, bool)) for item in iterable.args)
        ):
            for item in iterable.args:
                self.assign(node.target, item, node)
                end = self.body(node.body)
                if end in {"return", "raise", "break"}:
                    return end if end != "break" else None
            return None
        self.loop(node, iterable, lambda: self.assign(node.target, self.iterate(iterable, node.iter), node))
        return None

    def read_while(self, node: cst.While) -> str | None:
        self.loop(node, None, lambda: None)
        return None

    def loop(self, node: cst.For | cst.While, iterable: Value | None, enter: Callable[[], None]) -> None:
        """Read the body once; names that it changes are `phi`s of their values before and after."""
        phis: dict[str, Value] = {}
        variables = self.scope.vars
        for name in self.scan.loop_names.get(id(node), ()):
            if name in variables:
                before = variables[name]
                if before.kind in (Kind.FUNCTION, Kind.CLASS, Kind.LOADER, Kind.NAME, Kind.MAPPING) or (before.kind is Kind.SEQUENCE and before.op != "tuple"):
                    continue
                phis[name] = variables[name] = self.phi([before])
        frame = Frame("loop", node, self.frame, self.tick(), iterable)
        self.loops.append(frame)
        before_vars, before_modes = dict(self.scope.vars), dict(self.modes)
        with self.within(frame):
            if isinstance(node, cst.While):
                frame.value = self.evaluate(node.test)
            enter()
            self.body(node.body)
        for name, phi in phis.items():
            after = self.scope.vars.get(name)
            if after is not None and after is not phi and len(phi.alts) < 12:
                phi.alts.append(after)
                if phi.kind is not after.kind:
                    phi.kind = _common_kind(phi)
        self.scope.vars = self.merge(before_vars, self.scope.vars) if not phis else self.after_loop(before_vars, phis)
        if not isinstance(node, cst.While):
            self.modes = {**before_modes, **self.modes}
        if node.orelse is not None:
            self.body(node.orelse.body)

    def after_loop(self, before: dict[str, Value], phis: dict[str, Value]) -> dict[str, Value]:
        merged = self.merge({k: v for k, v in before.items() if k not in phis}, {k: v for k, v in self.scope.vars.items() if k not in phis})
        return {**merged, **phis}

    def iterate(self, iterable: Value, node: cst.CSTNode) -> Value:
        """One item of it."""
        if iterable.element is not None:
            return iterable.element
        kind = iterable.kind
        if iterable.alts:
            found = join([self.iterate(part, node) for part in iterable.alternatives()[:3] if not part.is_const(None)])
            if found is not None:
                return found
        if kind is Kind.LOADER:
            return self.make(Kind.UNKNOWN, "batch", node, [iterable])
        if kind is Kind.SEQUENCE and iterable.args:
            return join(iterable.args[:8]) or iterable.args[0]
        if kind is Kind.PARAMETERS:
            parameter = self.make(Kind.PARAMETER, "parameter", node, [iterable])
            if iterable.op.startswith("named"):
                name = self.make(Kind.UNKNOWN, "parameter_name", node, [iterable])
                return self.make(Kind.SEQUENCE, "tuple", node, [name, parameter])
            return parameter
        if kind is Kind.MODULE and (iterable.args or iterable.kwargs or iterable.op in torch_api.CONTAINERS):
            found = join([item for item in iterable.args if item.kind is Kind.MODULE])
            return found or self.make(Kind.MODULE, "module_item", node, [iterable])
        if kind is Kind.DATASET:
            return self.make(Kind.UNKNOWN, "batch", node, [iterable])
        if kind is Kind.TENSOR:
            return self.make(Kind.TENSOR, "getitem", node, [iterable, self.make(Kind.NUMBER, "index", node)])
        if kind is Kind.INSTANCE and iterable.cls is not None and (method := iterable.cls.method("__iter__")) is not None:
            bound = self.function_value(method, node)
            bound.receiver = iterable
            return self.call_function(bound, [], {}, node)
        return self.make(Kind.UNKNOWN, "element", node, [iterable])

    def read_with(self, node: cst.With) -> str | None:
        grad = self.grad
        frames = self.frame
        for item in node.items:
            value = self.evaluate(item.item)
            self.frame = Frame("with", node, self.frame, self.tick(), value)
            if item.asname is not None:
                inner = self.iterate(value, node) if value.kind is Kind.CONTEXT else value
                self.assign(item.asname.name, inner, node)
            if value.kind is Kind.CONTEXT and value.op.startswith("torch.") and value.op.rpartition(".")[2] in _GRAD_MODES:
                self.grad = value.const
        end = self.body(node.body)
        self.frame = frames
        self.grad = grad
        return end

    # -- definitions ----------------------------------------------------------------------------

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

    @property
    def closures(self) -> dict[int, Scope]:
        found = self.__dict__.setdefault("_closures", {})
        assert isinstance(found, dict)
        return found

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
            name: item for name, item in scope.vars.items() if item.function is None or item.function.cls is not info
        }

    def run_function(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
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

    def bind_arguments(
        self, info: FunctionInfo, receiver: Value | None, args: list[Value], kwargs: dict[str, Value], scope: Scope
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
            kind = self.annotated_kind(parameter.annotation)
        uses = info.uses.get(parameter.name, set())
        if kind is None:
            kind = duck.kind_by_use(parameter.name, uses) or duck.kind_by_name(parameter.name, uses)
        if kind is None and info.name == "forward" and info.cls is not None and info.cls.is_module and parameter.default is None:
            kind = Kind.TENSOR
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

    def annotated_kind(self, node: cst.BaseExpression) -> Kind | None:
        if isinstance(node, cst.Subscript):  # Optional[X], list[X]
            if isinstance(node.value, (cst.Name, cst.Attribute)) and _dotted(node.value).endswith("Optional"):
                part = node.slice[0].slice
                return self.annotated_kind(part.value) if isinstance(part, cst.Index) else None
            name = self.evaluate(node.value).op
            return duck.kind_by_annotation(name) or Kind.UNKNOWN
        if isinstance(node, cst.BinaryOperation):  # X | None
            return self.annotated_kind(node.left)
        if isinstance(node, cst.SimpleString):
            return None
        value = self.evaluate(node)
        if value.kind is Kind.CLASS and value.cls is not None:
            return Kind.MODULE if value.cls.is_module else Kind.UNKNOWN
        return duck.kind_by_annotation(value.op) if value.kind is Kind.NAME else None


_GRAD_MODES = frozenset({"no_grad", "enable_grad", "inference_mode", "set_grad_enabled"})


def _decorated_grad(reader: StatementReader, info: FunctionInfo, grad: bool | None) -> bool | None:
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


def _merge_modes(
    first: dict[int, tuple[str | None, int]], second: dict[int, tuple[str | None, int]]
) -> dict[int, tuple[str | None, int]]:
    merged = dict(second)
    for key, mode in first.items():
        other = second.get(key)
        if other is None or other[0] == mode[0]:
            merged[key] = mode
        else:
            merged[key] = (None, max(mode[1], other[1]))
    return merged


def _common_kind(phi: Value) -> Kind:
    kinds = {value.kind for value in phi.alts if not value.is_const(None)} - {Kind.CONST}
    if len(kinds) == 1:
        kind = kinds.pop()
        return kind
    return Kind.TENSOR if Kind.TENSOR in kinds else Kind.NUMBER if kinds <= {Kind.NUMBER} else Kind.UNKNOWN


def _dotted(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _name_of(node: cst.CSTNode) -> str:
    if isinstance(node, (cst.Name, cst.Attribute)):
        return _dotted(node)
    return _name_of(node.value) if isinstance(node, cst.Subscript) else ""


def _globals(reader: StatementReader, node: cst.Global) -> None:
    reader.scope.globals.update(item.name.value for item in node.names)


_Handler = Callable[[Any, Any], "str | None"]
_SMALL: dict[type, _Handler] = {
    cst.Expr: StatementReader.read_expression,
    cst.Assign: StatementReader.read_assign,
    cst.AnnAssign: StatementReader.read_annotated,
    cst.AugAssign: StatementReader.read_augmented,
    cst.Return: StatementReader.read_return,
    cst.Raise: StatementReader.read_raise,
    cst.Assert: StatementReader.read_assert,
    cst.Import: StatementReader.read_import,
    cst.ImportFrom: StatementReader.read_import_from,
    cst.Del: StatementReader.read_delete,
    cst.Global: _globals,
    cst.Break: lambda reader, node: "break",
    cst.Continue: lambda reader, node: "continue",
}
_COMPOUND: dict[type, _Handler] = {
    cst.If: StatementReader.read_if,
    cst.For: StatementReader.read_for,
    cst.While: StatementReader.read_while,
    cst.With: StatementReader.read_with,
    cst.Try: StatementReader.read_try,
    cst.TryStar: StatementReader.read_try,
    cst.Match: StatementReader.read_match,
    cst.FunctionDef: StatementReader.read_function,
    cst.ClassDef: StatementReader.read_class,
}
