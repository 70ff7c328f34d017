"""Expressions: a node of Python's tree in, libcst's out."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from nnlint.static.sketch import nodes as make
from nnlint.static.sketch.nodes import SketchError

# Shared: where an operator stands is never asked.
BINARY: dict[type, cst.BaseBinaryOp] = {
    ast.Add: cst.Add(), ast.Sub: cst.Subtract(), ast.Mult: cst.Multiply(), ast.Div: cst.Divide(),
    ast.FloorDiv: cst.FloorDivide(), ast.Mod: cst.Modulo(), ast.Pow: cst.Power(),
    ast.MatMult: cst.MatrixMultiply(), ast.LShift: cst.LeftShift(), ast.RShift: cst.RightShift(),
    ast.BitAnd: cst.BitAnd(), ast.BitOr: cst.BitOr(), ast.BitXor: cst.BitXor(),
}  # fmt: skip
COMPARE: dict[type, cst.BaseCompOp] = {
    ast.Lt: cst.LessThan(), ast.Gt: cst.GreaterThan(), ast.LtE: cst.LessThanEqual(),
    ast.GtE: cst.GreaterThanEqual(), ast.Eq: cst.Equal(), ast.NotEq: cst.NotEqual(), ast.Is: cst.Is(),
    ast.IsNot: cst.IsNot(), ast.In: cst.In(), ast.NotIn: cst.NotIn(),
}  # fmt: skip
UNARY: dict[type, cst.BaseUnaryOp] = {
    ast.UAdd: cst.Plus(), ast.USub: cst.Minus(), ast.Invert: cst.BitInvert(), ast.Not: cst.Not(),
}  # fmt: skip
BOOLEAN: dict[type, cst.BaseBooleanOp] = {ast.And: cst.And(), ast.Or: cst.Or()}
ASYNCHRONOUS = make.asynchronous()
DEEPEST, DEEP = 100, "deep nesting"
NO_STAR = cst.MaybeSentinel.DEFAULT
STAR = make.star_only()
SLASH = make.slash()

# One string literal and nothing after it. A longer run of them is a ConcatenatedString.
_ONE_STRING = re.compile(
    r"[A-Za-z]{0,2}(?:\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    r"|\"(?!\"\")(?:[^\"\\\n]|\\.)*\"|'(?!'')(?:[^'\\\n]|\\.)*')",
    re.DOTALL,
)


class Terms:
    """The expressions of one file."""

    def __init__(self, text: str) -> None:
        # Python counts columns in bytes, and lines as these are split.
        self.lines = text.encode().splitlines(keepends=True)
        self.depth = 0
        self.origins: dict[int, Any] = {}  # id(expression) -> the node of Python's tree that it was made from

    def term(self, node: ast.AST) -> Any:
        """The expression as libcst has it."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise SketchError(DEEP)
        made = _TERMS[type(node)](self, node)
        self.depth -= 1
        self.origins[id(made)] = node
        return made

    def deeper(self) -> None:
        """Far from where libcst is not given a file any more (`Source.refuse_deep_nesting`)."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise SketchError(DEEP)

    def written(self, node: ast.expr | ast.stmt) -> str:
        """The code of an expression, without the parentheses around it."""
        assert node.end_lineno is not None
        first, last = node.lineno - 1, node.end_lineno - 1
        if first == last:
            return self.lines[first][node.col_offset : node.end_col_offset].decode()
        parts = [self.lines[first][node.col_offset :], *self.lines[first + 1 : last]]
        return b"".join([*parts, self.lines[last][: node.end_col_offset]]).decode()

    # -- atoms ----------------------------------------------------------------------------------

    def name(self, node: ast.Name) -> Any:
        return make.name(node.id)

    def constant(self, node: ast.Constant) -> Any:
        value = node.value
        if value is None or value is True or value is False:
            return make.name(str(value))
        kind = type(value)
        if kind is int:
            return make.integer(self.written(node))
        if kind is float:
            return make.floating(self.written(node))
        if kind is complex:
            return make.imaginary(self.written(node))
        if value is ...:
            return make.ellipsis()
        code = self.written(node)
        return make.string(code) if _ONE_STRING.fullmatch(code) else _parsed(code)

    def formatted(self, node: ast.JoinedStr) -> Any:
        return _parsed(self.written(node))

    def tuple_display(self, node: ast.Tuple) -> Any:
        return make.tuple_(self.elements(node.elts))

    def list_display(self, node: ast.List) -> Any:
        return make.list_(self.elements(node.elts))

    def set_display(self, node: ast.Set) -> Any:
        return make.set_(self.elements(node.elts))

    def elements(self, items: Sequence[ast.expr]) -> list[Any]:
        term = self.term
        return [
            make.starred_element(term(item.value)) if type(item) is ast.Starred else make.element(term(item))
            for item in items
        ]

    def dict_display(self, node: ast.Dict) -> Any:
        term = self.term
        return make.dictionary([
            make.starred_dictionary(term(value))
            if key is None
            else make.dictionary_element(term(key), term(value))
            for key, value in zip(node.keys, node.values, strict=True)
        ])  # fmt: skip

    # -- operators ------------------------------------------------------------------------------

    def binary(self, node: ast.BinOp) -> Any:
        return make.binary(self.term(node.left), BINARY[type(node.op)], self.term(node.right))

    def boolean(self, node: ast.BoolOp) -> Any:
        operator = BOOLEAN[type(node.op)]
        first, *others = node.values
        left = self.term(first)
        for other in others:
            left = make.boolean(left, operator, self.term(other))
        return left

    def unary(self, node: ast.UnaryOp) -> Any:
        return make.unary(UNARY[type(node.op)], self.term(node.operand))

    def comparison(self, node: ast.Compare) -> Any:
        return make.comparison(
            self.term(node.left),
            [
                make.comparison_target(COMPARE[type(operator)], self.term(right))
                for operator, right in zip(node.ops, node.comparators, strict=True)
            ],
        )

    def conditional(self, node: ast.IfExp) -> Any:
        return make.conditional(self.term(node.test), self.term(node.body), self.term(node.orelse))

    def named(self, node: ast.NamedExpr) -> Any:
        return make.named(self.term(node.target), self.term(node.value))

    # -- access and calls -----------------------------------------------------------------------

    def attribute(self, node: ast.Attribute) -> Any:
        return make.attribute(self.term(node.value), make.name(node.attr))

    def subscript(self, node: ast.Subscript) -> Any:
        index = node.slice
        if type(index) is ast.Tuple and index.elts and not self.parenthesized(index):
            parts: Sequence[ast.expr] = index.elts
        else:
            parts = (index,)
        return make.subscript(
            self.term(node.value), [make.subscript_element(self.index(part)) for part in parts]
        )

    def index(self, node: ast.expr) -> Any:
        if type(node) is ast.Slice:
            return make.slice_(self.optional(node.lower), self.optional(node.upper), self.optional(node.step))
        return make.index(self.term(node))

    def parenthesized(self, node: ast.Tuple) -> bool:
        """Whether the parentheses in `x[(a, b)]` are the tuple's, which count as part of it."""
        code, first = self.written(node), node.elts[0]
        if code[0] != "(" or (first.lineno, first.col_offset) == (node.lineno, node.col_offset):
            return False
        return len(_parsed(f"_[{code}]").slice) == 1  # `(a), b` begins with one too

    def optional(self, node: ast.expr | None) -> Any:
        return None if node is None else self.term(node)

    def call(self, node: ast.Call) -> Any:
        term, stars = self.term, False
        function = term(node.func)
        arguments: list[Any] = []
        for item in node.args:
            if type(item) is ast.Starred:
                stars = True
                arguments.append(make.argument(term(item.value), None, "*"))
            else:
                arguments.append(make.argument(term(item), None, ""))
            self.origins[id(arguments[-1])] = item
        return make.call(function, self.with_keywords(arguments, node.args if stars else (), node.keywords))

    def with_keywords(
        self, arguments: list[Any], args: Sequence[ast.expr], keywords: Sequence[ast.keyword]
    ) -> list[Any]:
        """Arguments as they are written: `*args`, for which `args` are given, may stand behind a keyword."""
        for keyword in keywords:
            name = make.name(keyword.arg) if keyword.arg is not None else None
            arguments.append(make.argument(self.term(keyword.value), name, "**" if name is None else ""))
            self.origins[id(arguments[-1])] = keyword
        if args and keywords:
            nodes: list[Any] = [*args, *keywords]
            order = sorted(range(len(nodes)), key=lambda at: (nodes[at].lineno, nodes[at].col_offset))
            arguments = [arguments[at] for at in order]
        return arguments

    # -- what has a scope of its own ------------------------------------------------------------

    def comprehended(self, clauses: Sequence[ast.comprehension]) -> Any:
        inner = None
        for clause in reversed(clauses):
            inner = make.comp_for(
                self.term(clause.target),
                self.term(clause.iter),
                [make.comp_if(self.term(test)) for test in clause.ifs],
                inner,
                ASYNCHRONOUS if clause.is_async else None,
            )
        return inner

    def generator(self, node: ast.GeneratorExp) -> Any:
        return make.generator(self.term(node.elt), self.comprehended(node.generators))

    def list_comprehension(self, node: ast.ListComp) -> Any:
        return make.list_comprehension(self.term(node.elt), self.comprehended(node.generators))

    def set_comprehension(self, node: ast.SetComp) -> Any:
        return make.set_comprehension(self.term(node.elt), self.comprehended(node.generators))

    def dict_comprehension(self, node: ast.DictComp) -> Any:
        return make.dict_comprehension(
            self.term(node.key), self.term(node.value), self.comprehended(node.generators)
        )

    def function(self, node: ast.Lambda) -> Any:
        return make.lambda_(self.parameters(node.args), self.term(node.body))

    def awaited(self, node: ast.Await) -> Any:
        return make.awaited(self.term(node.value))

    def yielded(self, node: ast.Yield) -> Any:
        return make.yielded(self.optional(node.value))

    def yielded_from(self, node: ast.YieldFrom) -> Any:
        return make.yielded(make.origin(self.term(node.value)))

    def parameters(self, node: ast.arguments) -> Any:
        positional = [*node.posonlyargs, *node.args]
        plain = len(positional) - len(node.defaults)
        made = [self.parameter(item, None) for item in positional[:plain]]
        made += map(self.parameter, positional[plain:], node.defaults)
        only = len(node.posonlyargs)
        star: Any = NO_STAR
        if node.vararg is not None:
            star = self.parameter(node.vararg, None, "*")
        elif node.kwonlyargs:
            star = STAR
        return make.parameters(
            made[only:],
            star,
            list(map(self.parameter, node.kwonlyargs, node.kw_defaults)),
            self.parameter(node.kwarg, None, "**") if node.kwarg is not None else None,
            made[:only],
            SLASH if only else NO_STAR,
        )

    def parameter(self, node: ast.arg, default: ast.expr | None, star: str = "") -> Any:
        annotation = make.annotation(self.term(node.annotation)) if node.annotation is not None else None
        return make.parameter(make.name(node.arg), annotation, self.optional(default), star)


def _parsed(code: str) -> Any:
    """An expression that only libcst takes apart: strings with parts."""
    try:
        made: Any = cst.parse_expression(f"({code})" if "\n" in code else code)
    except Exception as error:
        raise SketchError(str(error)) from None
    if made.lpar:
        made = made.with_changes(lpar=(), rpar=())
    return made


_TERMS: dict[type, Callable[[Terms, Any], Any]] = {
    ast.Name: Terms.name,
    ast.Attribute: Terms.attribute,
    ast.Call: Terms.call,
    ast.Constant: Terms.constant,
    ast.JoinedStr: Terms.formatted,
    ast.BinOp: Terms.binary,
    ast.BoolOp: Terms.boolean,
    ast.UnaryOp: Terms.unary,
    ast.Compare: Terms.comparison,
    ast.IfExp: Terms.conditional,
    ast.NamedExpr: Terms.named,
    ast.Subscript: Terms.subscript,
    ast.Tuple: Terms.tuple_display,
    ast.List: Terms.list_display,
    ast.Set: Terms.set_display,
    ast.Dict: Terms.dict_display,
    ast.GeneratorExp: Terms.generator,
    ast.ListComp: Terms.list_comprehension,
    ast.SetComp: Terms.set_comprehension,
    ast.DictComp: Terms.dict_comprehension,
    ast.Lambda: Terms.function,
    ast.Await: Terms.awaited,
    ast.Yield: Terms.yielded,
    ast.YieldFrom: Terms.yielded_from,
}
