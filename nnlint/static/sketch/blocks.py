"""Statements: nodes of Python's tree in, libcst's out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from nnlint.static.sketch import nodes as make
from nnlint.static.sketch.nodes import SketchError
from nnlint.static.sketch.terms import ASYNCHRONOUS, Terms

# Shared: where an operator or a dot stands is never asked.
AUGMENTED: dict[type, cst.BaseAugOp] = {
    ast.Add: cst.AddAssign(), ast.Sub: cst.SubtractAssign(), ast.Mult: cst.MultiplyAssign(),
    ast.Div: cst.DivideAssign(), ast.FloorDiv: cst.FloorDivideAssign(), ast.Mod: cst.ModuloAssign(),
    ast.Pow: cst.PowerAssign(), ast.MatMult: cst.MatrixMultiplyAssign(), ast.LShift: cst.LeftShiftAssign(),
    ast.RShift: cst.RightShiftAssign(), ast.BitAnd: cst.BitAndAssign(), ast.BitOr: cst.BitOrAssign(),
    ast.BitXor: cst.BitXorAssign(),
}  # fmt: skip
DOT = make.dot()


class Blocks(Terms):
    """The statements of one file."""

    def statements(self, body: Sequence[ast.stmt]) -> list[Any]:
        """Compound statements, and lines of simple ones."""
        found: list[Any] = []
        line: list[Any] = []
        row = 0  # where the line ends
        for node in body:
            simple = _SIMPLE.get(type(node))
            if simple is None:
                found.append(_COMPOUND[type(node)](self, node))
                row = 0
                continue
            small = simple(self, node)
            self.origins[id(small)] = node
            if node.lineno == row:  # behind a semicolon
                line.append(small)
            else:
                line = [small]
                found.append(make.line(line))
            row = node.end_lineno or 0
        return found

    def body(self, body: Sequence[ast.stmt]) -> Any:
        """What stands behind a colon: an indented block, or simple statements on the same line."""
        first = body[0]
        row = first.lineno - 1
        if self.lines[row][: first.col_offset].isspace():
            if row and self.lines[row - 1].rstrip().endswith(b"\\"):
                raise SketchError("a continued line")
            self.deeper()
            made = make.block(self.statements(body))
            self.depth -= 1
            return made
        (line,) = self.statements(body)
        return make.suite(line.body)

    def orelse(self, body: Sequence[ast.stmt]) -> Any:
        return make.otherwise(self.body(body)) if body else None

    # -- simple statements ----------------------------------------------------------------------

    def expression(self, node: ast.Expr) -> Any:
        return make.expression(self.term(node.value))

    def assign(self, node: ast.Assign) -> Any:
        return make.assign(
            [make.assign_target(self.term(target)) for target in node.targets], self.term(node.value)
        )

    def augmented(self, node: ast.AugAssign) -> Any:
        return make.augmented(self.term(node.target), AUGMENTED[type(node.op)], self.term(node.value))

    def annotated(self, node: ast.AnnAssign) -> Any:
        return make.annotated(
            self.term(node.target), make.annotation(self.term(node.annotation)), self.optional(node.value)
        )

    def returned(self, node: ast.Return) -> Any:
        return make.returned(self.optional(node.value))

    def raised(self, node: ast.Raise) -> Any:
        cause = make.origin(self.term(node.cause)) if node.cause is not None else None
        return make.raised(self.optional(node.exc), cause)

    def asserted(self, node: ast.Assert) -> Any:
        return make.asserted(self.term(node.test), self.optional(node.msg))

    def deleted(self, node: ast.Delete) -> Any:
        if len(node.targets) == 1:
            if self.written(node).endswith(","):
                raise SketchError("a tuple of one that is deleted")
            return make.deleted(self.term(node.targets[0]))
        return make.deleted(make.tuple_(self.elements(node.targets)))

    def passed(self, _: ast.Pass) -> Any:
        return make.passed()

    def broken(self, _: ast.Break) -> Any:
        return make.broken()

    def continued(self, _: ast.Continue) -> Any:
        return make.continued()

    def global_names(self, node: ast.Global) -> Any:
        return make.global_names([make.name_item(make.name(name)) for name in node.names])

    def nonlocal_names(self, node: ast.Nonlocal) -> Any:
        return make.nonlocal_names([make.name_item(make.name(name)) for name in node.names])

    def imported(self, node: ast.Import) -> Any:
        return make.imported([_alias(alias) for alias in node.names])

    def imported_from(self, node: ast.ImportFrom) -> Any:
        names: Any = (
            make.import_star() if node.names[0].name == "*" else [_alias(alias) for alias in node.names]
        )
        module = _dotted(node.module) if node.module is not None else None
        return make.imported_from(module, names, [DOT] * node.level)

    # -- compound statements --------------------------------------------------------------------

    def branch(self, node: ast.If) -> Any:
        test, body = self.term(node.test), self.body(node.body)
        orelse: Any = None
        if node.orelse:
            first = node.orelse[0]
            if type(first) is ast.If and self.lines[first.lineno - 1].startswith(b"elif", first.col_offset):
                self.deeper()
                orelse = self.branch(first)
                self.depth -= 1
            else:
                orelse = self.orelse(node.orelse)
        return make.branch(test, body, orelse)

    def while_loop(self, node: ast.While) -> Any:
        return make.while_loop(self.term(node.test), self.body(node.body), self.orelse(node.orelse))

    def for_loop(self, node: ast.For | ast.AsyncFor) -> Any:
        return make.for_loop(
            self.term(node.target),
            self.term(node.iter),
            self.body(node.body),
            self.orelse(node.orelse),
            ASYNCHRONOUS if type(node) is ast.AsyncFor else None,
        )

    def with_block(self, node: ast.With | ast.AsyncWith) -> Any:
        items = [
            make.with_item(
                self.term(item.context_expr),
                make.as_name(self.term(item.optional_vars)) if item.optional_vars is not None else None,
            )
            for item in node.items
        ]
        return make.with_block(
            items, self.body(node.body), ASYNCHRONOUS if type(node) is ast.AsyncWith else None
        )

    def attempt(self, node: ast.Try) -> Any:
        return make.attempt(
            self.body(node.body),
            [self.handler(handler) for handler in node.handlers],
            self.orelse(node.orelse),
            make.finally_block(self.body(node.finalbody)) if node.finalbody else None,
        )

    def handler(self, node: ast.ExceptHandler) -> Any:
        name = make.as_name(make.name(node.name)) if node.name is not None else None
        return make.handler(self.optional(node.type), name, self.body(node.body))

    def function_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        if getattr(node, "type_params", None):
            raise SketchError("type parameters")
        return make.function(
            make.name(node.name),
            self.parameters(node.args),
            self.body(node.body),
            [make.decorator(self.term(decorator)) for decorator in node.decorator_list],
            make.annotation(self.term(node.returns)) if node.returns is not None else None,
            ASYNCHRONOUS if type(node) is ast.AsyncFunctionDef else None,
            None,
        )

    def class_definition(self, node: ast.ClassDef) -> Any:
        if getattr(node, "type_params", None):
            raise SketchError("type parameters")
        bases = [
            make.argument(self.term(base.value), None, "*")
            if type(base) is ast.Starred
            else make.argument(self.term(base), None, "")
            for base in node.bases
        ]
        return make.class_definition(
            make.name(node.name),
            self.body(node.body),
            bases,
            self.with_keywords([], (), node.keywords),
            [make.decorator(self.term(decorator)) for decorator in node.decorator_list],
            None,
        )


def _dotted(name: str) -> Any:
    first, *others = name.split(".")
    made = make.name(first)
    for other in others:
        made = make.attribute(made, make.name(other))
    return made


def _alias(node: ast.alias) -> Any:
    asname = make.as_name(make.name(node.asname)) if node.asname is not None else None
    return make.import_alias(_dotted(node.name), asname)


_SIMPLE: dict[type, Callable[[Blocks, Any], Any]] = {
    ast.Expr: Blocks.expression,
    ast.Assign: Blocks.assign,
    ast.AugAssign: Blocks.augmented,
    ast.AnnAssign: Blocks.annotated,
    ast.Return: Blocks.returned,
    ast.Raise: Blocks.raised,
    ast.Assert: Blocks.asserted,
    ast.Delete: Blocks.deleted,
    ast.Pass: Blocks.passed,
    ast.Break: Blocks.broken,
    ast.Continue: Blocks.continued,
    ast.Global: Blocks.global_names,
    ast.Nonlocal: Blocks.nonlocal_names,
    ast.Import: Blocks.imported,
    ast.ImportFrom: Blocks.imported_from,
}
# What is in neither, as `match` and `except*`, is left to libcst.
_COMPOUND: dict[type, Callable[[Blocks, Any], Any]] = {
    ast.If: Blocks.branch,
    ast.While: Blocks.while_loop,
    ast.For: Blocks.for_loop,
    ast.AsyncFor: Blocks.for_loop,
    ast.With: Blocks.with_block,
    ast.AsyncWith: Blocks.with_block,
    ast.Try: Blocks.attempt,
    ast.FunctionDef: Blocks.function_definition,
    ast.AsyncFunctionDef: Blocks.function_definition,
    ast.ClassDef: Blocks.class_definition,
}
