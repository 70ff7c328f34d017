"""Reads statements in the order in which they run: branches, loops, definitions, calls that are followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import libcst as cst

from nnlint.static import torch_api
from nnlint.static.assignments import AssignmentReader
from nnlint.static.functions import dotted
from nnlint.static.values import Frame, Kind, Value, join
from nnlint.static.walk import descend

# A loop over so few constant strings (`for phase in ["train", "val"]`) is read once for each.
UNROLLED = 4


class StatementReader(AssignmentReader):
    """The whole reader."""

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
            name = dotted(alias.name)
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.scope.vars[alias.asname.name.value] = self.named(name)
            else:
                first = name.partition(".")[0]
                self.scope.vars[first] = self.named(first)

    def read_import_from(self, node: cst.ImportFrom) -> None:
        module = "." * len(node.relative) + (dotted(node.module) if node.module is not None else "")
        if isinstance(node.names, cst.ImportStar):
            self.stars.append(module)
            return
        for alias in node.names:
            name = dotted(alias.name)
            bound = (
                alias.asname.name.value
                if alias.asname is not None and isinstance(alias.asname.name, cst.Name)
                else name
            )
            separator = "" if module.endswith(".") else "."
            self.scope.vars[bound] = self.named(f"{module}{separator}{name}")

    # -- branches -------------------------------------------------------------------------------

    def read_branch(self, node: cst.If) -> str | None:
        test = self.evaluate(node.test)
        truth = self.truth(test)
        if truth is True and test.op in {"training", "and"}:  # known here, and still a test on the mode
            with self.within(Frame("if", node, self.frame, self.tick(), test)):
                return self.body(node.body)
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
                self.frame = Frame(
                    "if", node, self.frame, self.tick(), test, branch=second is not None, guard=True
                )
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
                if before.kind in (Kind.FUNCTION, Kind.CLASS, Kind.LOADER, Kind.NAME, Kind.MAPPING) or (
                    before.kind is Kind.SEQUENCE and before.op != "tuple"
                ):
                    continue
                if isinstance(before.const, bool) and _only_set_to(before.const, name, node.body):
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
        self.scope.vars = (
            self.merge(before_vars, self.scope.vars) if not phis else self.after_loop(before_vars, phis)
        )
        if not isinstance(node, cst.While):
            self.modes = {**before_modes, **self.modes}
        if node.orelse is not None:
            self.body(node.orelse.body)

    def after_loop(self, before: dict[str, Value], phis: dict[str, Value]) -> dict[str, Value]:
        merged = self.merge(
            {k: v for k, v in before.items() if k not in phis},
            {k: v for k, v in self.scope.vars.items() if k not in phis},
        )
        return {**merged, **phis}

    def iterate(self, iterable: Value, node: cst.CSTNode) -> Value:
        """One item of it."""
        if iterable.element is not None:
            return iterable.element
        kind = iterable.kind
        if iterable.alts:
            found = join(
                [self.iterate(part, node) for part in iterable.alternatives()[:3] if not part.is_const(None)]
            )
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
        if (
            kind is Kind.INSTANCE
            and iterable.cls is not None
            and (method := iterable.cls.method("__iter__")) is not None
        ):
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
            parts = list(value.alternatives())
            modes = {part.const for part in parts if _sets_grad(part)}
            if modes:
                # `torch.no_grad() if frozen else nullcontext()` may be either.
                self.grad = modes.pop() if len(modes) == 1 and all(map(_sets_grad, parts)) else None
        end = self.body(node.body)
        self.frame = frames
        self.grad = grad
        return end


_GRAD_MODES = frozenset({"no_grad", "enable_grad", "inference_mode", "set_grad_enabled"})


def _sets_grad(context: Value) -> bool:
    return (
        context.kind is Kind.CONTEXT
        and context.op.startswith("torch.")
        and context.op.rpartition(".")[2] in _GRAD_MODES
    )


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


def _only_set_to(flag: bool, name: str, body: cst.CSTNode) -> bool:
    """Whether all that the body of a loop does to a flag is to set it to what it is already."""
    for node in descend(body):
        targets: list[cst.CSTNode] = []
        if isinstance(node, cst.Assign):
            if isinstance(node.value, cst.Name) and node.value.value == str(flag):
                continue
            targets = [target.target for target in node.targets]
        elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.For, cst.NamedExpr)):
            targets = [node.target]
        elif isinstance(node, (cst.AsName, cst.NameItem)):
            targets = [node.name]
        if any(isinstance(part, cst.Name) and part.value == name for t in targets for part in descend(t)):
            return False
    return True


def _common_kind(phi: Value) -> Kind:
    kinds = {value.kind for value in phi.alts if not value.is_const(None)} - {Kind.CONST}
    if len(kinds) == 1:
        return kinds.pop()
    return Kind.TENSOR if Kind.TENSOR in kinds else Kind.NUMBER if kinds <= {Kind.NUMBER} else Kind.UNKNOWN


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
    cst.Break: lambda _reader, _node: "break",
    cst.Continue: lambda _reader, _node: "continue",
}
_COMPOUND: dict[type, _Handler] = {
    cst.If: StatementReader.read_branch,
    cst.For: StatementReader.read_for,
    cst.While: StatementReader.read_while,
    cst.With: StatementReader.read_with,
    cst.Try: StatementReader.read_try,
    cst.TryStar: StatementReader.read_try,
    cst.Match: StatementReader.read_match,
    cst.FunctionDef: StatementReader.read_function,
    cst.ClassDef: StatementReader.read_class,
}
