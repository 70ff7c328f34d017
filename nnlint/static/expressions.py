"""Reads expressions: an expression in, its `Value` out."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import libcst as cst

from nnlint.static import duck
from nnlint.static.access import AccessReader
from nnlint.static.constants import fold, members, plausible_star
from nnlint.static.scan import FunctionInfo
from nnlint.static.values import Frame, Kind, Value, join

DEEPEST_EXPRESSION = 150
BUILTINS = frozenset(dir(builtins))

BINARY: dict[type, str] = {
    cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "div",
    cst.MatrixMultiply: "matmul", cst.Power: "pow",
    cst.Modulo: "remainder", cst.FloorDivide: "floor_divide", cst.BitAnd: "bitwise_and",
    cst.BitOr: "bitwise_or",
    cst.BitXor: "bitwise_xor", cst.LeftShift: "lshift", cst.RightShift: "rshift",
    cst.AddAssign: "add", cst.SubtractAssign: "sub", cst.MultiplyAssign: "mul", cst.DivideAssign: "div",
    cst.MatrixMultiplyAssign: "matmul", cst.PowerAssign: "pow", cst.ModuloAssign: "remainder",
    cst.FloorDivideAssign: "floor_divide",
    cst.BitAndAssign: "bitwise_and", cst.BitOrAssign: "bitwise_or", cst.BitXorAssign: "bitwise_xor",
    cst.LeftShiftAssign: "lshift", cst.RightShiftAssign: "rshift",
}  # fmt: skip
COMPARE: dict[type, str] = {
    cst.LessThan: "lt", cst.GreaterThan: "gt", cst.LessThanEqual: "le", cst.GreaterThanEqual: "ge",
    cst.Equal: "eq",
    cst.NotEqual: "ne", cst.Is: "is", cst.IsNot: "is not", cst.In: "in", cst.NotIn: "not in",
}  # fmt: skip
# What is known not to be None.
NEVER_NONE = frozenset({
    Kind.TENSOR, Kind.MODULE, Kind.OPTIMIZER, Kind.SCHEDULER, Kind.SCALER, Kind.LOADER, Kind.DATASET,
    Kind.SEQUENCE, Kind.MAPPING,
    Kind.FUNCTION, Kind.CLASS, Kind.INSTANCE, Kind.NUMBER, Kind.PARAMETER, Kind.PARAMETERS,
    Kind.STATE_DICT, Kind.SIZE,
})  # fmt: skip


# The same few literals stand all over a file.
_literal = lru_cache(maxsize=4096)(ast.literal_eval)


class ExpressionReader(AccessReader):
    """Everything but calls, which `CallReader` adds."""

    def evaluate(self, node: cst.CSTNode) -> Value:
        handler = _HANDLERS.get(type(node))
        if handler is None or self.depth > DEEPEST_EXPRESSION:
            return self.make(Kind.UNKNOWN, "?", node)
        self.depth += 1
        try:
            value: Value = handler(self, node)
        finally:
            self.depth -= 1
        self.evaluated[id(node)] = value
        return value

    def read_call(self, node: cst.Call) -> Value:
        raise NotImplementedError

    def iterate(self, iterable: Value, node: cst.CSTNode) -> Value:
        raise NotImplementedError

    def assign(self, target: cst.BaseExpression, value: Value, statement: cst.CSTNode) -> None:
        raise NotImplementedError

    # -- literals -------------------------------------------------------------------------------

    def read_name(self, node: cst.Name) -> Value:
        name = node.value
        value = self.scope.find(name)
        if value is not None:
            return value
        if name in _KEYWORDS:
            return self.const(node, _KEYWORDS[name])
        if name == "__name__":  # which is a name of the builtins as well
            return self.const(node, "__main__")
        if name in BUILTINS:
            return self.named(f"builtins.{name}")
        for star in self.stars:
            if plausible_star(star, name):
                return self.named(f"{star}.{name}")
        value = self.make(Kind.UNKNOWN, "free", node)
        value.name = name
        kind = duck.kind_by_use(name, self.uses(name))
        if kind is not None:
            value.kind = kind
        self.module_scope.vars.setdefault(name, value)  # the same unknown wherever it is named
        return value

    def read_number(self, node: cst.Integer | cst.Float | cst.Imaginary) -> Value:
        try:
            return self.const(node, _literal(node.value))
        except (ValueError, SyntaxError):
            return self.make(Kind.NUMBER, "number", node)

    def read_string(self, node: cst.SimpleString | cst.ConcatenatedString) -> Value:
        try:
            text = _literal(node.value) if type(node) is cst.SimpleString else node.evaluated_value
        except (ValueError, SyntaxError):
            return self.make(Kind.UNKNOWN, "string", node)
        if text is None and isinstance(node, cst.ConcatenatedString):  # `f"{a}, " f"{b}"`
            sides = [self.evaluate(side) for side in (node.left, node.right)]
            parts = [part for side in sides for part in (side.args if side.op == "format" else [side])]
            return self.make(Kind.UNKNOWN, "format", node, parts)
        return self.const(node, text)

    def read_format(self, node: cst.FormattedString) -> Value:
        parts = [
            self.evaluate(part.expression)
            for part in node.parts
            if isinstance(part, cst.FormattedStringExpression)
        ]
        return self.make(Kind.UNKNOWN, "format", node, parts)

    def read_sequence(self, node: cst.Tuple | cst.List | cst.Set) -> Value:
        items: list[Value] = []
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, cst.StarredElement):
                if value.kind is Kind.SEQUENCE and value.element is None:
                    items.extend(value.args)
                    continue
                value = self.make(Kind.UNKNOWN, "star", element, [value])
            items.append(value)
        op = {cst.Tuple: "tuple", cst.List: "list", cst.Set: "set"}[type(node)]
        return self.make(Kind.SEQUENCE, op, node, items)

    def read_dict(self, node: cst.Dict) -> Value:
        value = self.make(Kind.MAPPING, "dict", node)
        for element in node.elements:
            item = self.evaluate(element.value)
            if isinstance(element, cst.DictElement):
                key = self.evaluate(element.key)
                if key.kind is Kind.CONST and isinstance(key.const, (str, int)):
                    value.attrs[str(key.const)] = item
                    if not item.name and item.kind in (Kind.LOADER, Kind.DATASET):
                        item.name = str(key.const)
                    continue
            elif item.kind is Kind.MAPPING:
                value.attrs.update(item.attrs)
                value.args.extend(item.args)
                continue
            value.args.append(item)
        return value

    # -- operators ------------------------------------------------------------------------------

    def read_binary(self, node: cst.BinaryOperation) -> Value:
        return self.binary(
            BINARY.get(type(node.operator), "?"), self.evaluate(node.left), self.evaluate(node.right), node
        )

    def binary(self, op: str, left: Value, right: Value, node: cst.CSTNode) -> Value:
        if left.kind is Kind.CONST and right.kind is Kind.CONST:
            folded = fold(op, left.const, right.const)
            if folded is not None:
                return self.const(node, folded)
        if op == "mul" and right.kind is Kind.SEQUENCE and _counts(left, right):
            left, right = right, left
        kinds = {left.kind, right.kind}
        if kinds & {Kind.TENSOR, Kind.PARAMETER}:
            kind = Kind.TENSOR
        elif left.kind is Kind.SEQUENCE and op in {"add", "mul"}:
            items = left.args + right.args if op == "add" and right.kind is Kind.SEQUENCE else left.args
            value = self.make(Kind.SEQUENCE, "repeat" if op == "mul" else "list", node, list(items))
            value.kwargs = {"times": right} if op == "mul" else {}
            return value
        elif kinds <= {Kind.NUMBER, Kind.CONST, Kind.SIZE}:
            kind = Kind.SIZE if Kind.SIZE in kinds else Kind.NUMBER
        else:
            kind = Kind.UNKNOWN
        return self.record_call(self.make(kind, op, node, [left, right]))

    def read_unary(self, node: cst.UnaryOperation) -> Value:
        value = self.evaluate(node.expression)
        if isinstance(node.operator, cst.Not):
            truth = self.truth(value)
            return (
                self.const(node, not truth)
                if truth is not None
                else self.make(Kind.UNKNOWN, "not", node, [value])
            )
        if isinstance(node.operator, cst.Minus):
            if value.kind is Kind.CONST and type(value.const) in (int, float):
                return self.const(node, -value.const)
            return self.make(
                value.kind if value.kind is not Kind.CONST else Kind.NUMBER, "neg", node, [value]
            )
        if isinstance(node.operator, cst.BitInvert):
            return self.make(
                value.kind if value.kind is Kind.TENSOR else Kind.UNKNOWN, "logical_not", node, [value]
            )
        return value

    def read_boolean(self, node: cst.BooleanOperation) -> Value:
        left = self.evaluate(node.left)
        is_and = isinstance(node.operator, cst.And)
        truth = self.truth(left)
        if truth is not None and truth is not is_and:
            return left
        right = self.evaluate(node.right)
        if truth is not None and left.op != "training":  # a test on the mode stays in sight
            return right
        if is_and and self.truth(right) is False:
            return self.const(node, False)
        value = self.make(Kind.UNKNOWN, "and" if is_and else "or", node, [left, right])
        if not is_and and left.kind is right.kind:
            value.kind = left.kind if left.kind is not Kind.CONST else Kind.UNKNOWN
        return value

    def read_comparison(self, node: cst.Comparison) -> Value:
        left = self.evaluate(node.left)
        result: Value | None = None
        for target in node.comparisons:
            right = self.evaluate(target.comparator)
            value = self.compare(COMPARE.get(type(target.operator), "?"), left, right, node)
            result = value if result is None else self.make(Kind.UNKNOWN, "and", node, [result, value])
            left = right
        assert result is not None
        return result

    def compare(self, op: str, left: Value, right: Value, node: cst.CSTNode) -> Value:
        if op in {"is", "is not"} and right.is_const(None):
            truth: bool | None = None
            if left.kind is Kind.CONST:
                truth = left.const is None
            elif (
                left.kind in NEVER_NONE
                and not any(value.is_const(None) for value in left.alternatives())
                and left.op != "phi"
            ):
                truth = False
            if truth is not None:
                return self.const(node, truth is (op == "is"))
        elif op in {"in", "not in"} and left.kind is Kind.CONST and right.kind is Kind.SEQUENCE:
            if all(item.kind is Kind.CONST for item in right.args) and right.element is None:
                found = any(item.const == left.const for item in right.args)
                return self.const(node, found is (op == "in"))
        elif left.kind is Kind.CONST and right.kind is Kind.CONST:
            folded = fold(op, left.const, right.const)
            if folded is not None:
                return self.const(node, folded)
        elif op in {"eq", "ne", "is", "is not"} and (pair := members(left, right)) is not None:
            return self.const(node, (pair[0] == pair[1]) is (op in {"eq", "is"}))
        kind = Kind.TENSOR if Kind.TENSOR in (left.kind, right.kind) else Kind.UNKNOWN
        return self.record_call(self.make(kind, op, node, [left, right]))

    def read_if(self, node: cst.IfExp) -> Value:
        test = self.evaluate(node.test)
        truth = self.truth(test)
        if truth is False or (truth is True and test.op != "training"):
            return self.evaluate(node.body if truth else node.orelse)
        if test.op == "training":
            with self.within(Frame("if", node, self.frame, self.tick(), test)):
                body = self.evaluate(node.body)
        else:
            body = self.evaluate(node.body)
        found = body if truth else join([body, self.evaluate(node.orelse)])
        assert found is not None
        if found.op == "join" and len(found.alts) == 2:
            found.attrs["test"] = test
        return found

    def truth(self, value: Value) -> bool | None:
        """Whether a test on this value is known to hold; what may change later is not known."""
        if value.kind is Kind.CONST:
            return bool(value.const)
        if value.op == "training" and value.args:
            return None if value.const is None else bool(value.const == "train")
        if value.op == "and" and len(value.args) == 2:
            parts = [self.truth(part) for part in value.args]
            return False if False in parts else True if parts == [True, True] else None
        if value.alts:
            if value.op == "phi":
                return None
            truths = {self.truth(alternative) for alternative in value.alts}
            return truths.pop() if len(truths) == 1 else None
        if value.kind in (
            Kind.MODULE,
            Kind.OPTIMIZER,
            Kind.SCHEDULER,
            Kind.FUNCTION,
            Kind.CLASS,
            Kind.SCALER,
        ):
            return True
        return None

    # -- the rest -------------------------------------------------------------------------------

    def read_comprehension(self, node: cst.ListComp | cst.GeneratorExp | cst.SetComp | cst.DictComp) -> Value:
        saved = dict(self.scope.vars)
        frame = self.frame
        clause: cst.CompFor | None = node.for_in
        sources: list[Value] = []
        only: Value | None = None
        while clause is not None:
            iterable = self.evaluate(clause.iter)
            sources.append(iterable)
            self.frame = Frame("comprehension", node, self.frame, self.tick(), iterable)
            self.assign(clause.target, self.iterate(iterable, clause.iter), node)
            for test in clause.ifs:
                only = self.evaluate(test.test)
                self.frame = Frame("if", test, self.frame, self.tick(), only)
            clause = clause.inner_for_in
        if isinstance(node, cst.DictComp):
            self.evaluate(node.key)
            value = self.make(Kind.MAPPING, "comprehension", node, [self.evaluate(node.value)])
        else:
            element = self.evaluate(node.elt)
            value = self.make(Kind.SEQUENCE, "comprehension", node, [element])
            value.element = element
        if only is not None:
            value.kwargs["if"] = only
        value.receiver = sources[0]
        self.frame = frame
        self.scope.vars = saved
        return value

    def read_lambda(self, node: cst.Lambda) -> Value:
        value = self.make(Kind.FUNCTION, "lambda", node)
        value.attrs = dict(self.scope.vars) if self.scope is not self.module_scope else {}
        return value

    def read_named(self, node: cst.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target, value, node)
        return value

    def read_inner(self, node: cst.Await | cst.Yield) -> Value:
        inner = node.expression if isinstance(node, cst.Await) else node.value
        if isinstance(inner, cst.From):
            inner = inner.item
        value = self.evaluate(inner) if inner is not None else self.const(node, None)
        if isinstance(node, cst.Yield):
            if self.returns:
                self.returns[-1].append(value)
            return self.make(Kind.UNKNOWN, "yield", node)
        return value

    def function_value(self, info: FunctionInfo, node: cst.CSTNode) -> Value:
        value = self.make(Kind.FUNCTION, info.qualified_name, node)
        value.function = info
        value.name = info.name
        return value


_KEYWORDS: dict[str, Any] = {"True": True, "False": False, "None": None}

_HANDLERS: dict[type, Callable[[Any, Any], Value]] = {
    cst.Name: ExpressionReader.read_name,
    cst.Attribute: ExpressionReader.read_attribute,
    cst.Call: lambda reader, node: reader.read_call(node),
    cst.Subscript: ExpressionReader.read_subscript,
    cst.BinaryOperation: ExpressionReader.read_binary,
    cst.UnaryOperation: ExpressionReader.read_unary,
    cst.BooleanOperation: ExpressionReader.read_boolean,
    cst.Comparison: ExpressionReader.read_comparison,
    cst.Integer: ExpressionReader.read_number,
    cst.Float: ExpressionReader.read_number,
    cst.Imaginary: ExpressionReader.read_number,
    cst.SimpleString: ExpressionReader.read_string,
    cst.ConcatenatedString: ExpressionReader.read_string,
    cst.FormattedString: ExpressionReader.read_format,
    cst.Tuple: ExpressionReader.read_sequence,
    cst.List: ExpressionReader.read_sequence,
    cst.Set: ExpressionReader.read_sequence,
    cst.Dict: ExpressionReader.read_dict,
    cst.ListComp: ExpressionReader.read_comprehension,
    cst.SetComp: ExpressionReader.read_comprehension,
    cst.GeneratorExp: ExpressionReader.read_comprehension,
    cst.DictComp: ExpressionReader.read_comprehension,
    cst.Lambda: ExpressionReader.read_lambda,
    cst.IfExp: ExpressionReader.read_if,
    cst.NamedExpr: ExpressionReader.read_named,
    cst.Await: ExpressionReader.read_inner,
    cst.Yield: ExpressionReader.read_inner,
}


def _counts(number: Value, items: Value) -> bool:
    """Whether `number * items` repeats the items: an array on the left would multiply them."""
    if number.kind is Kind.UNKNOWN:
        return any(item.kind is Kind.MODULE for item in items.args)
    return number.kind in (Kind.CONST, Kind.NUMBER, Kind.SIZE)
